"""A line in int8: fitted, compared with float32, opened, and taught on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import saec
from saec.data.images.pixels import read_image
from saec.edge import open_detector
from saec.edge.graph import GRAPH, compile_graph
from saec.edge.learning.fit_contract import FitStart
from saec.edge.learning.head.detector_graph import features_of
from saec.edge.preparation import prepare
from saec.edge.training import quantisation, quantised_fit
from saec.edge.training.detector_fit import patch_fit
from saec.errors import ConfigError, ParityError
from saec.profile import LineProfile
from saec.settings import FitConfig
from tests.conftest import SIDE

SETTINGS = {"side_px": SIDE, "memory_patches": 512, "folds": 4, "threads": 1, "overkill_rate": 0.1}


@pytest.fixture(scope="module")
def low(gears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gears' line in int8, whose graph is made of the first six goods."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantised_fit, "FRAMES", 6)
        out = tmp_path_factory.mktemp("int8") / "gears"
        return saec.fit(gears, out=out, dtype="int8", **SETTINGS).folder  # type: ignore[arg-type]


def features(line: Path, images: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What the feature graph of the line's detector gives."""
    profile = LineProfile.open(line)
    graph = compile_graph(features_of(line / GRAPH), profile.line.detector.precision, 1)
    frames = [prepare(read_image(path), profile.line.preparation)[None] for path in images]
    return np.stack([np.array(graph(frame)[0][0]) for frame in frames])


@pytest.mark.numeric
def test_the_graph_at_the_line_has_quantisers_and_sees_nearly_alike(
    low: Path, gear_line: Path, gears: Path
) -> None:
    assert LineProfile.open(low).line.detector.precision == "int8"
    assert "FakeQuantize" in (low / GRAPH).read_text("utf-8")
    assert "FakeQuantize" not in (gear_line / GRAPH).read_text("utf-8")
    images = sorted((gears / "test").rglob("*.png"))
    made, plain = features(low, images), features(gear_line, images)
    off = np.linalg.norm(made - plain) / np.linalg.norm(plain - plain.mean((0, 2, 3), keepdims=True))
    assert 0 < off < 0.4
    opinions = open_detector(LineProfile.open(low)).inspect([read_image(path) for path in images])
    assert all(np.isfinite(opinion.score) for opinion in opinions)


def test_it_is_taught_on_in_int8(low: Path, gears: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    image = read_image(sorted((gears / "train" / "defect").iterdir())[0])
    assert cv2.imwrite(str(tmp_path / "new" / "one.png"), image[::-1])
    taught = saec.Line.open(low).teach(defects=tmp_path / "new", out=tmp_path / "next")
    assert taught.profile.line.detector.precision == "int8"
    assert "FakeQuantize" in (taught.folder / GRAPH).read_text("utf-8")


def test_a_fit_whose_labels_differ_leaves_no_line(
    gears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "AUROC_LOSS", -1.0)
    with pytest.raises(ParityError, match="beside float32") as caught:
        saec.fit(gears, out=tmp_path / "line", dtype="int8", **SETTINGS)  # type: ignore[arg-type]
    assert "float32" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_int8_is_no_onnx(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ONNX"):
        patch_fit(onnx=True)(FitStart((64, 64), FitConfig(dtype="int8"), tmp_path))
