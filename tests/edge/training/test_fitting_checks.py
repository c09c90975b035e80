"""Before anything is fitted: the mask of a region of interest, and what must be installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.fit_contract import FitStart
from saec.edge.learning.patch_learner import FeatureGraph
from saec.edge.training import detector_fit
from saec.errors import DataError, ExtraError
from saec.settings import FitConfig
from saec.types import Box


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the detector's fit is given."""
    seen: dict[str, Any] = {}

    def learner(graph: FeatureGraph, *rest: Any) -> None:
        seen["inside"] = graph.inside

    monkeypatch.setattr(detector_fit, "PatchLearner", learner)
    return seen


def fit(folder: Path, mask: np.ndarray | bytes, roi: Box | None = None) -> Path:
    out = folder / "profile"
    out.mkdir()
    path = folder / "mask.png"
    path.write_bytes(mask if isinstance(mask, bytes) else cv2.imencode(".png", mask)[1].tobytes())
    detector_fit.patch_fit()(FitStart((128, 192), FitConfig(side_px=256, roi=roi), out, path))
    return out


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 1), (np.uint8, 255), (np.uint16, 1)])
def test_whatever_is_not_zero_is_inside(
    tmp_path: Path, asked: dict[str, Any], dtype: type, value: int
) -> None:
    mask: NDArray[Any] = np.zeros((128, 192), dtype)
    mask[32:96, 64:128] = value
    fit(tmp_path, mask)
    expected = np.zeros((16, 24), bool)
    expected[4:12, 8:16] = True
    assert np.array_equal(asked["inside"], expected)
    kept = cv2.imread(str(tmp_path / "profile/roi.png"), cv2.IMREAD_UNCHANGED)
    assert kept is not None
    assert np.array_equal(kept > 0, mask > 0)


def test_rectangle_and_mask_go_together(tmp_path: Path, asked: dict[str, Any]) -> None:
    mask = np.zeros((128, 192), np.uint8)
    mask[:, 96:] = 255
    fit(tmp_path, mask, roi=(64, 0, 192, 128))
    expected = np.zeros((16, 16), bool)
    expected[:, 4:] = True
    assert np.array_equal(asked["inside"], expected)


@pytest.mark.parametrize(("auto_size", "cells"), [(False, (28, 40)), (True, (64, 96))])
def test_the_proposed_size_is_taken_where_it_is_asked_for(
    tmp_path: Path, asked: dict[str, Any], auto_size: bool, cells: tuple[int, int]
) -> None:
    path = tmp_path / "mask.png"
    assert cv2.imwrite(str(path), np.full((512, 768), 255, np.uint8))
    (tmp_path / "profile").mkdir()
    config = FitConfig(side_px=256, auto_size=auto_size)
    detector_fit.patch_fit()(FitStart((512, 768), config, tmp_path / "profile", path, defect_px=20.0))
    assert asked["inside"].shape == cells


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((128, 190), 255, np.uint8), "has 190 x 128 pixels, but the frames have 192 x 128"),
        (b"no image at all", "is not an image"),
        (np.zeros((128, 192), np.uint8), "lets only 0 cells of the anomaly map"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(
    tmp_path: Path, asked: dict[str, Any], mask: np.ndarray | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        fit(tmp_path, mask)
    assert not asked


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where no graph is kept yet
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "saec.edge.training.backbones")
    with pytest.raises(ExtraError, match=r"torch is not installed .*saec\[fit\]"):
        fit(tmp_path, np.full((128, 192), 255, np.uint8))
