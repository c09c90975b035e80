"""The seed's policy as a run: its share to the cloud, its labels, its presets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from saec import edge
from saec.cli import main
from saec.profile import LineProfile
from saec.runs.run_record import read_run
from saec.runs.verdict_log import read_verdicts
from saec_research.seed.policy import SeedConfig, seed_line
from tests.run_fakes import CALIBRATION, FakeCloud, FakeDetector, Frames, make_line


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    """A line of the seed's kind; the fake detector plays the classifier."""
    profile = make_line(tmp_path / "bottle")
    detector = msgspec.structs.replace(profile.line.detector, kind="yolo", params={"smax_spread": 0.1})
    return LineProfile.create(
        profile.folder, msgspec.structs.replace(profile.line, detector=detector), CALIBRATION
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten frames: those of even number are good to the edge; the cloud calls the last three defect."""
    frames = Frames(tmp_path / "data")
    for i in range(10):
        frames.add(f"test/{'good' if i < 5 else 'defect'}/{i}", 20 if i % 2 == 0 else 240, green=10 + 8 * i)
    return tmp_path / "data"


def inspect(line: LineProfile, data: Path, out: Path, *options: str) -> int:
    return main(
        ["inspect", str(data), "--line", str(line.folder), "--out", str(out), "--cloud", "small", *options]
    )


def test_a_preset_runs_with_the_seeds_settings(tmp_path: Path, line: LineProfile, data: Path) -> None:
    assert inspect(line, data, tmp_path / "run", "--preset", "all-to-cloud") == 0
    info = read_run(tmp_path / "run")
    assert info.policy == "seed"
    assert info.cloud.role == "alone"
    assert info.config["own"]["init_q_ratio"] == 1.0
    assert (info.config["cloud"]["batch"], info.config["cloud"]["side_px"]) == (16, 448)
    assert info.counts["escalated"] == 10
    for verdict in read_verdicts(tmp_path / "run" / "verdicts.jsonl"):
        assert verdict.decided_by == "cloud"
        assert verdict.label == int(verdict.cloud.p_defect >= 0.26)


def test_parameters_can_be_set_and_the_users_own_options_win(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    options = ["--preset", "saec", "--set", "init_q_ratio=0", "--set", "qwen_thr=0.9", "--batch", "3"]
    assert inspect(line, data, tmp_path / "run", *options) == 0
    info = read_run(tmp_path / "run")
    assert (info.config["own"]["qwen_thr"], info.config["cloud"]["batch"]) == (0.9, 3)
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    assert {v.reason for v in verdicts} == {"seed-simple-good", "seed-not-kept"}
    assert {v.label for v in verdicts} == {0}


def test_wrong_parameters_are_named(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--set=nonsense=1", "--set=qwen_thr=much", "--set=qwen_thr=0.5"):
        policy = ["--policy", "gate" if "0.5" in option else "seed"]
        assert inspect(line, data, tmp_path / "run", *policy, option) == 2
        assert option.split("=")[1] in capsys.readouterr().err or "0.5" in option
    assert not (tmp_path / "run").exists()


def test_the_seeds_policy_needs_its_detector_and_a_cloud(
    tmp_path: Path, fakes: FakeCloud, line: LineProfile, data: Path
) -> None:
    patch = make_line(tmp_path / "patch")
    assert inspect(patch, data, tmp_path / "run", "--policy", "seed") == 2
    assert main(["inspect", str(data), "--line", str(line.folder), "--policy", "seed"]) == 2


def test_the_classifiers_thresholds_are_those_given(
    line: LineProfile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    opened: list[LineProfile] = []

    def open_detector(profile: LineProfile) -> FakeDetector:
        opened.append(profile)
        return FakeDetector()

    monkeypatch.setattr(edge, "open_detector", open_detector)
    assert inspect(line, data, tmp_path / "run", "--policy", "seed", "--set", "yolo_smax_thr=0.7") == 0
    params = opened[0].line.detector.params
    assert (params["smax"], params["margin"], params["smax_spread"]) == (0.7, 0.03, 0.1)
    assert opened[0].calibration.p_defect is None
    assert LineProfile.open(line.folder).calibration == CALIBRATION
    assert seed_line(line, SeedConfig()).calibration.threshold > 0


def test_one_preset_does_not_resume_the_other(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect(line, data, tmp_path / "run", "--policy", "seed") == 0
    options = ["--policy", "seed", "--resume"]
    assert inspect(line, data, tmp_path / "run", *options) == 0
    assert inspect(line, data, tmp_path / "run", *options, "--set", "qwen_thr=0.9") == 2
    assert "other settings" in capsys.readouterr().err
