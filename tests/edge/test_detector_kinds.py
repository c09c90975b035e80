"""A detector is a file and a line in the table."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from saec.edge import detector_kinds
from saec.edge.detector_kinds import (
    DetectorKind,
    FitChoices,
    detector_fit,
    device_note,
    on_device,
    open_detector,
)
from saec.errors import ConfigError, LineError
from saec.profile import LineProfile
from saec.types import GOOD, EdgeOpinion, Image
from tests.run_fakes import CALIBRATION, make_line


class Mine:
    """Another detector, as a contributor's file would have it."""

    def __init__(self, profile: LineProfile) -> None:
        self.name = profile.line.name

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        return [EdgeOpinion(0.0, GOOD) for _ in images]


def test_a_detector_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = ModuleType("mine")
    file.Mine, file.fit = Mine, lambda choices: ("fit", choices)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mine", file)
    monkeypatch.setitem(detector_kinds.DETECTORS, "mine", DetectorKind("mine:Mine", "mine:fit"))
    profile = make_line(tmp_path / "line")
    detector = msgspec.structs.replace(profile.line.detector, kind="mine")
    line = msgspec.structs.replace(profile.line, detector=detector)
    assert isinstance(open_detector(LineProfile(profile.folder, line, profile.calibration)), Mine)
    assert detector_fit(FitChoices(kind="mine")) == ("fit", FitChoices(kind="mine"))


def test_a_line_is_told_of_another_device_and_keeps_its_own_file(tmp_path: Path) -> None:
    profile = make_line(tmp_path / "line", calibration=msgspec.structs.replace(CALIBRATION, threshold=50.0))
    for same in (None, "CPU"):
        assert on_device(profile, same) is profile
        assert device_note(profile, same) is None
    there = on_device(profile, "GPU.1")
    assert (there.line.detector.device, there.folder) == ("GPU.1", profile.folder)
    assert there.calibration is profile.calibration
    assert profile.line.detector.device == LineProfile.open(profile.folder).line.detector.device == "CPU"
    note = device_note(profile, "GPU.1")
    assert note is not None
    assert "runs on GPU.1, but the line was checked on CPU" in note
    assert "within 0.05 of the threshold" in note


def test_a_line_without_a_detector_runs_on_no_device(tmp_path: Path) -> None:
    profile = make_line(tmp_path / "line")
    detector = msgspec.structs.replace(profile.line.detector, kind=detector_kinds.NONE)
    line = msgspec.structs.replace(profile.line, detector=detector)
    blind = LineProfile(profile.folder, line, profile.calibration)
    assert on_device(blind, "NPU") is blind
    assert device_note(blind, "NPU") is None


def test_a_detector_that_nobody_has_is_named_with_those_there_are() -> None:
    with pytest.raises(LineError, match="no detector nobody's") as e:
        detector_fit(FitChoices(kind="nobody's"))
    assert "patch" in e.value.remedy


@pytest.mark.parametrize(
    "choices",
    [
        FitChoices(yolo=Path("yolo.onnx")),
        FitChoices(yolo_smax=0.5),
        FitChoices(kind="yolo"),
        FitChoices(kind="yolo", yolo=Path("yolo.onnx"), onnx=True),
    ],
)
def test_a_choice_of_another_detector_is_refused(choices: FitChoices) -> None:
    with pytest.raises(ConfigError):
        detector_fit(choices)
