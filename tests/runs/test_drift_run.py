"""A run tests its scores against the calibration's goods, in the order of its frames."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.profile import LineProfile
from saec.runs.run_folder import run_line
from tests.run_fakes import CALIBRATION, FakeCloud, Frames, make_line

FRAMES = 40


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    """A hundred goods that score 1 to 3."""
    goods = np.linspace(1, 3, 100).tolist()
    return make_line(tmp_path / "line", calibration=msgspec.structs.replace(CALIBRATION, goods=goods))


def folder(root: Path, name: str, reds: list[int]) -> Path:
    for i, red in enumerate(reds):
        Frames(root / name).add(f"{i:03}", red, green=i)
    return root


def test_drift_is_counted_and_noted(tmp_path: Path, line: LineProfile) -> None:
    data = folder(tmp_path / "data", "frames", [150 + i for i in range(FRAMES)])
    info = run_line(line, list_inputs(data), tmp_path / "run")
    assert 0 < info.counts["drift"] <= FRAMES
    assert info.notes[-1].startswith("Score drift: most frames score above nearly all")


def test_frames_like_the_calibration_are_no_drift(tmp_path: Path, line: LineProfile) -> None:
    reds = np.random.default_rng(0).permutation(np.linspace(26, 76, FRAMES)).astype(int).tolist()
    info = run_line(line, list_inputs(folder(tmp_path / "data", "frames", reds)), tmp_path / "run")
    assert "drift" not in info.counts
    assert not any("drift" in note for note in info.notes)


def test_known_defects_are_no_drift_and_evaluate_tells_of_that_of_goods(
    tmp_path: Path, line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder(tmp_path / "data", "test/defect", [200 + i for i in range(FRAMES)])
    folder(data, "test/good", [40, 50, 60])
    folder(data, "train/good", [41, 51, 61])
    assert main(["evaluate", str(line.folder), str(data)]) == 0
    assert "drift" not in capsys.readouterr().out
    folder(data, "test/good", [26 for i in range(FRAMES)])
    assert main(["evaluate", str(line.folder), str(data)]) == 0
    assert "Score drift: frames judged good score lower" in capsys.readouterr().out
