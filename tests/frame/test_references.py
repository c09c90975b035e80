"""The goods that a cloud is shown: the line's own, in the order in which they cover its goods."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.data.dataset import open_dataset
from saec.edge.learning.detector_learning import covering_order
from saec.errors import ConfigError
from saec.frame.judges import read_references
from saec.lines.line_fit import fit_line
from saec.settings import FitConfig, GateConfig
from tests.fake_fit import FakeFit


def test_each_of_the_order_is_the_one_farthest_from_those_before() -> None:
    features = np.random.default_rng(0).integers(-120, 120, (30, 3, 1, 1)).astype(np.int8)
    order = covering_order(features)
    assert sorted(order) == list(range(30))
    points = features[:, :, 0, 0].astype(np.float64)
    points = (points - points.mean(0)) / points.std(0)
    assert order[0] == int((points**2).sum(1).argmin())
    for n in range(1, 8):
        distance = ((points[:, None] - points[order[:n]]) ** 2).sum(2).min(1)
        assert order[n] == int(distance.argmax())


def test_the_first_k_are_shown_in_the_order_of_the_fit(tmp_path: Path) -> None:
    goods = tmp_path / "product" / "train" / "good"
    goods.mkdir(parents=True)
    levels = np.random.default_rng(1).permutation(20) * 5 + 50
    for i, level in enumerate(levels):
        suffix = ".png" if i % 2 else ".bmp"
        cv2.imwrite(str(goods / f"{i:02d}{suffix}"), np.full((40, 40, 3), level, np.uint8))
    fake = FakeFit()
    profile, _ = fit_line(
        open_dataset(tmp_path / "product"),
        tmp_path / "line",
        fake,
        config=FitConfig(keep_references=12),
        gate=GateConfig(),
        created="2026-01-01T00:00:00+00:00",
    )
    middle = np.median(levels)
    expected = sorted(levels, key=lambda level: abs(level - middle))
    shown = [int(image[0, 0, 0]) for image in read_references(profile, 12)]
    assert [abs(level - middle) for level in shown] == [abs(level - middle) for level in expected[:12]]
    for k in (0, 1, 4):
        assert [int(image[0, 0, 0]) for image in read_references(profile, k)] == shown[:k]
    with pytest.raises(ConfigError, match="only 12 reference images, but 13 are wanted"):
        read_references(profile, 13)
