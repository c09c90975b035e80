"""saec calibrate: a new version each time, from images that are in no hold-out."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from saec import edge
from saec.cli import main
from saec.data.input_images import list_inputs
from saec.data.items import Item
from saec.data.manifest import Manifest
from saec.frame.judges import Cloud, standing
from saec.lines.calibrating.cloud_trust import trust_on
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.profile import LineProfile, sha256_file
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import CloudConfig, GateConfig
from saec.settings.threshold_rule import ErrorCosts, ThresholdRule
from tests.run_fakes import FakeCloud, FakeDetector, Frames, make_line


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty goods of scores 1 to 4 and ten labelled defects about 5; the cloud tells them apart."""
    root = tmp_path / "bottle-data"
    rng = np.random.default_rng(0)
    frames = Frames(root)
    for i in range(30):
        frames.add(f"train/good/{i:02}", 26 + int(rng.integers(90)), green=20 + i)
    for i in range(10):
        frames.add(f"train/defect/{i:02}", 90 + int(rng.integers(90)), green=210 + i)
    for i in range(3):
        frames.add(f"test/good/{i:02}", 60 + i, green=100)
        frames.add(f"test/defect/{i:02}", 200 + i, green=101)
    return root


@pytest.fixture
def line(tmp_path: Path, data: Path, fakes: FakeCloud) -> LineProfile:
    goods = [s for s in list_inputs(data, split="train").sources if s.truth == 0]
    detector = FakeDetector()
    from saec.data.images.pixels import read_image

    # Cross-fitted scores differ from the detector's own: here by a tenth.
    scores = {
        sha256_file(Path(s.path)): detector.inspect([read_image(Path(s.path))])[0].score + 0.1 for s in goods
    }
    calibration = calibrate(
        scores,
        (),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=0.5,
        created="2026-01-01T00:00:00+00:00",
    )
    return make_line(tmp_path / "bottle", goods=goods, calibration=calibration)


def reopened(line: LineProfile) -> LineProfile:
    return LineProfile.open(line.folder)


def test_another_overkill_rate_needs_no_image(
    line: LineProfile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(edge, "open_detector")
    assert main(["calibrate", str(line.folder), "--overkill-rate", "0.2"]) == 0
    old, new = line.calibration, reopened(line).calibration
    assert new.version == old.version + 1
    assert new.threshold < old.threshold
    assert (new.overkill, new.good_scores) == (0.2, old.good_scores)
    assert (line.folder / f"calibration-{old.version}.json").is_file()
    printed = capsys.readouterr().out
    assert f"{old.threshold:.4g} -> {new.threshold:.4g}" in printed
    assert "2%" in printed


def test_train_defects_of_the_data_set_give_p_defect_and_stay_known(line: LineProfile, data: Path) -> None:
    assert main(["calibrate", str(line.folder), str(data)]) == 0
    new = reopened(line).calibration
    assert new.p_defect is not None
    assert len(new.defects) == len(new.defect_scores) == 10
    assert new.threshold == line.calibration.threshold
    assert len(Manifest.read(line.folder).having("calibration")) == 10
    assert main(["calibrate", str(line.folder), str(data)]) == 0  # the same defects are not counted twice
    assert reopened(line).calibration.defects == new.defects


def test_further_goods_count_and_those_of_the_fit_keep_their_score(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    for i in range(5):
        Frames(tmp_path / "more").add(f"{i}", 100 + i, green=1)
    new = Path(tmp_path / "more" / "0.png")
    copy = tmp_path / "more" / "copy.png"
    copy.write_bytes((data / "train" / "good" / "00.png").read_bytes())
    assert main(["calibrate", str(line.folder), "--goods", str(tmp_path / "more")]) == 0
    scores = reopened(line).calibration.good_scores
    assert len(scores) == 35
    assert scores[sha256_file(new)] == pytest.approx(100 / 25.5)
    assert scores[sha256_file(copy)] == line.calibration.good_scores[sha256_file(copy)]
    roles = Manifest.read(line.folder).roles
    assert roles[sha256_file(new)].role == "calibration"
    assert roles[sha256_file(copy)].role == "train"


@pytest.mark.parametrize(("option", "folder"), [("--defects", "test/defect"), ("--goods", "test/good")])
def test_hold_out_images_are_refused_and_nothing_is_changed(
    line: LineProfile, data: Path, option: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p.name: p.read_bytes() for p in line.folder.iterdir() if p.is_file()}
    assert main(["calibrate", str(line.folder), str(data), option, str(data / folder)]) == 2
    assert "hold-out" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in line.folder.iterdir() if p.is_file()} == before


def test_a_good_of_the_fit_cannot_be_a_defect(line: LineProfile, data: Path) -> None:
    assert main(["calibrate", str(line.folder), "--defects", str(data / "train" / "good")]) == 2
    assert reopened(line).line.calibration == line.line.calibration


def test_threshold_and_gate_by_hand(line: LineProfile) -> None:
    arguments = ["--threshold", "5", "--gate-low", "3", "--gate-high", "6.5"]
    assert main(["calibrate", str(line.folder), *arguments]) == 0
    new = reopened(line).calibration
    assert (new.threshold, new.gate.low, new.gate.high) == (5, 3, 6.5)
    assert main(["calibrate", str(line.folder), "--threshold", "5", "--gate-low", "6"]) == 2
    assert main(["calibrate", str(line.folder), "--threshold", "100"]) == 0
    assert reopened(line).calibration.gate.high >= 100


def test_a_cloud_that_helps_is_fused_and_a_new_threshold_ends_its_trust(
    line: LineProfile, data: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(line.folder), str(data), "--cloud", "small"]) == 0
    assert sum(fakes.batches) == 40
    assert set(fakes.references) == {1}
    trust = reopened(line).calibration.clouds[Cloud(CloudConfig(model="small")).key]
    assert (trust.mode, trust.n_good, trust.n_defect) == ("fused", 30, 10)
    assert "decides together with the edge" in capsys.readouterr().out
    assert main(["calibrate", str(line.folder), "--overkill-rate", "0.2"]) == 0
    assert reopened(line).calibration.clouds == {}
    assert "no longer trusted" in capsys.readouterr().out


def test_trust_holds_for_these_weights_and_this_context_alone(
    line: LineProfile, data: Path, fakes: FakeCloud
) -> None:
    assert main(["calibrate", str(line.folder), str(data), "--cloud", "small"]) == 0
    calibration = reopened(line).calibration
    assert standing(Cloud(CloudConfig(model="small")), calibration, "gate").role == "fused"
    assert standing(Cloud(CloudConfig(model="small", references=0)), calibration, "gate").role == "advisory"
    assert standing(Cloud(CloudConfig(model="small")), calibration, "cloud").role == "alone"
    assert standing(Cloud(CloudConfig(model="small", side_px=56)), calibration, "gate").role == "advisory"
    fakes.weights_hash = "cd" * 32
    assert standing(Cloud(CloudConfig(model="small")), calibration, "gate").role == "advisory"


def test_a_cloud_no_better_than_chance_is_not_asked(line: LineProfile, data: Path, fakes: FakeCloud) -> None:
    for path in (data / "train" / "defect").iterdir():  # the cloud sees the defects as it sees goods
        i = int(path.stem)
        Frames(data).add(f"train/defect/{path.stem}", 120 + 5 * i, green=22 + 3 * i)
    assert main(["calibrate", str(line.folder), str(data), "--cloud", "small"]) == 0
    place = standing(Cloud(CloudConfig(model="small")), reopened(line).calibration, "gate")
    assert place.role == "unasked"
    assert "is not asked" in place.reason


def test_without_defects_a_cloud_is_advisory_and_not_even_asked(
    line: LineProfile, data: Path, fakes: FakeCloud
) -> None:
    goods = [(p, sha256_file(p)) for p in sorted((data / "train" / "good").iterdir())]
    trust = trust_on(line, Cloud(CloudConfig(model="small")), goods, [])
    assert (trust.mode, fakes.batches) == ("advisory", [])


def test_the_reference_shown_is_not_among_those_asked_about(
    line: LineProfile, data: Path, fakes: FakeCloud
) -> None:
    shown = data / "train" / "good" / "07.png"
    (line.folder / "references" / "0.png").write_bytes(shown.read_bytes())
    goods = [(p, sha256_file(p)) for p in sorted((data / "train" / "good").iterdir())]
    defects = sorted((data / "train" / "defect").iterdir())
    trust_on(line, Cloud(CloudConfig(model="small")), goods, defects)
    assert sum(fakes.batches) == 29 + 10


def tuned_on(weights: Path, *folders: Path, leave: int = 0) -> str:
    """Weights whose manifest holds the images of the folders, but for the last few of each."""
    manifest = Manifest()
    for folder in folders:
        images = sorted(folder.iterdir())[: -leave or None]
        manifest.add("sft-train", [Item(path=path, label=int(folder.name == "defect")) for path in images])
    weights.mkdir()
    manifest.write(weights)
    return str(weights)


@pytest.mark.parametrize("option", ["--adapter", "--cloud"])
def test_images_that_the_cloud_was_tuned_on_do_not_measure_it(
    tmp_path: Path,
    line: LineProfile,
    data: Path,
    fakes: FakeCloud,
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    weights = tuned_on(tmp_path / "weights", data / "train" / "good", data / "train" / "defect", leave=6)
    cloud = ["--cloud", "small", "--adapter", weights] if option == "--adapter" else ["--cloud", weights]
    assert main(["calibrate", str(line.folder), str(data), *cloud]) == 0
    assert sum(fakes.batches) == 6 + 6
    new = reopened(line).calibration
    (trust,) = new.clouds.values()
    assert (trust.n_good, trust.n_defect, trust.left_out) == (6, 6, 24 + 4)
    assert len(new.defects) == 10  # the edge has never seen them, so they still tell its P(defect)
    assert "on 6 good images and 6 defects, without 28 images that it was tuned on" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["goods", "defects"])
def test_a_cloud_that_was_tuned_on_too_many_is_refused_and_nothing_is_changed(
    tmp_path: Path,
    line: LineProfile,
    data: Path,
    fakes: FakeCloud,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    before = {p.name: p.read_bytes() for p in line.folder.iterdir() if p.is_file()}
    adapter = tuned_on(tmp_path / "adapter", data / "train" / what.removesuffix("s"), leave=4)
    command = ["calibrate", str(line.folder), str(data), "--cloud", "small", "--adapter", adapter]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert {"goods": "26 of the 30 good images on", "defects": "6 of the 10 defects on"}[what] in said
    assert adapter in said
    assert f"with --{what}" in said
    assert fakes.batches == []
    assert {p.name: p.read_bytes() for p in line.folder.iterdir() if p.is_file()} == before
    label, red, green = (0, 60, 25) if what == "goods" else (1, 150, 220)
    for i in range(5):
        Frames(tmp_path / "more").add(f"{i}", red + i, green=green + i)
    assert main([*command, f"--{what}", str(tmp_path / "more")]) == 0
    (trust,) = reopened(line).calibration.clouds.values()
    assert (trust.n_good, trust.n_defect)[label] == 4 + 5


def test_a_cloud_needs_images(line: LineProfile) -> None:
    assert main(["calibrate", str(line.folder), "--cloud", "small"]) == 2


def test_wishes_left_open_keep_what_the_line_has(line: LineProfile) -> None:
    assert main(["calibrate", str(line.folder)]) == 0
    new = reopened(line).calibration
    kept = msgspec.structs.replace(new, version=line.calibration.version, created=line.calibration.created)
    assert kept == line.calibration
    assert RecalibrationRequest().overkill_rate is None


def test_what_was_given_by_hand_stays_until_overkill_or_goods_change_it(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(line.folder)
    assert main(["calibrate", folder, "--threshold", "3", "--gate-low", "2", "--gate-high", "3.5"]) == 0
    for options in ([], ["--prevalence", "0.1"], [str(data)]):
        assert main(["calibrate", folder, *options]) == 0
        now = reopened(line).calibration
        assert (now.threshold, now.gate.low, now.gate.high) == (3, 2, 3.5)
        assert "--threshold 3, --gate-low 2" in capsys.readouterr().out
    assert main(["calibrate", folder, "--threshold", "1"]) == 0  # the gate gives way
    now = reopened(line).calibration
    assert (now.threshold, now.gate.low, now.gate.high) == (1, 1, 3.5)
    assert main(["calibrate", folder, "--overkill-rate", "0.05"]) == 0
    assert reopened(line).calibration.threshold == line.calibration.threshold
    assert reopened(line).calibration.by_hand == {}
    assert "no longer by hand: gate high, gate low, threshold" in capsys.readouterr().out
    assert main(["calibrate", folder, "--threshold", "3"]) == 0
    Frames(tmp_path / "more").add("0", 100, green=1)
    assert main(["calibrate", folder, "--goods", str(tmp_path / "more")]) == 0
    assert reopened(line).calibration.by_hand == {}


def test_the_rule_of_the_threshold_stays_until_another_is_given(
    line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(line.folder)
    assert main(["calibrate", folder, str(data), "--escape-rate", "0.1"]) == 0
    escape = reopened(line).calibration
    assert escape.rule == ThresholdRule(escape_rate=0.1)
    assert escape.threshold == pytest.approx(
        np.interp(0.1 * (len(escape.defects) + 1), range(1, len(escape.defects) + 1), escape.defects)
    )
    told = capsys.readouterr().out
    assert "for 10 % missed defects (escapes), from 10 labelled defects" in told
    assert "> escape-rate 0.1 " in told
    assert main(["calibrate", folder]) == 0
    assert reopened(line).calibration.rule == escape.rule
    assert reopened(line).calibration.threshold == escape.threshold
    assert main(["calibrate", folder, "--threshold", "3", "--cost", "missed_defect=9", "false_reject=1"]) == 0
    by_hand = reopened(line).calibration
    assert by_hand.rule == ThresholdRule(cost=ErrorCosts(missed_defect=9, false_reject=1))
    assert by_hand.threshold == 3
    assert "> threshold by hand " in capsys.readouterr().out
    assert main(["calibrate", folder, "--overkill-rate", "0.05"]) == 0
    assert reopened(line).calibration.threshold == line.calibration.threshold


def test_costs_are_weighed_at_the_prevalence(line: LineProfile, data: Path) -> None:
    folder, costs = str(line.folder), ["--cost", "missed_defect=1", "false_reject=1"]
    thresholds = []
    for options in ([str(data), *costs], ["--prevalence", "0.02"], ["--prevalence", "0.98"]):
        assert main(["calibrate", folder, *options]) == 0
        thresholds.append(reopened(line).calibration.threshold)
    even, rare, frequent = thresholds
    assert frequent <= even <= rare
    assert frequent < rare


def test_two_rules_at_once_are_refused(line: LineProfile, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--escape-rate", "0.1", "--cost", "missed_defect=9", "false_reject=1"]
    assert main(["calibrate", str(line.folder), *options]) == 2
    assert "escape_rate and cost cannot be used together" in capsys.readouterr().err
    assert main(["calibrate", str(line.folder), "--escape-rate", "0.1"]) == 2
    assert "no labelled defects are too few" in capsys.readouterr().err
    assert reopened(line).calibration == line.calibration


def test_an_escape_rate_that_few_defects_cannot_promise_is_said(
    line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(line.folder), str(data), "--escape-rate", "0.02"]) == 0
    assert "2 % missed defects cannot be promised from 10 labelled defects" in capsys.readouterr().out
    new = reopened(line).calibration
    assert new.threshold == new.defects[0]


def test_the_gates_p_defect_stays_and_replaces_a_score(line: LineProfile, data: Path) -> None:
    folder = str(line.folder)
    assert main(["calibrate", folder, str(data), "--p-low", "0.3", "--gate-high", "9"]) == 0
    first = reopened(line).calibration
    assert first.p_defect is not None
    assert first.p_defect(first.gate.low) == pytest.approx(0.3)
    assert main(["calibrate", folder]) == 0
    assert reopened(line).calibration.gate == first.gate
    assert main(["calibrate", folder, "--overkill-rate", "0.04", "--p-high", "0.95"]) == 0
    last = reopened(line).calibration
    assert last.by_hand == {"p_low": 0.3, "p_high": 0.95}
    assert last.gate.high < 9


def test_another_gate_ends_a_clouds_trust(line: LineProfile, data: Path, fakes: FakeCloud) -> None:
    assert main(["calibrate", str(line.folder), str(data), "--cloud", "small"]) == 0
    assert main(["calibrate", str(line.folder)]) == 0
    assert reopened(line).calibration.clouds
    assert main(["calibrate", str(line.folder), "--gate-low", "0"]) == 0
    assert reopened(line).calibration.clouds == {}


@pytest.mark.parametrize("folder", ["test", ".", "test/good", "train/good"])
def test_goods_are_no_defects(
    line: LineProfile, data: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(line.folder), "--defects", str(data / folder)]) == 2
    said = capsys.readouterr().err
    assert "images are good by the name of their folder" in said
    assert "remedy: name a folder that holds only defective images" in said
    assert reopened(line).line.calibration == line.line.calibration


def made_on(line: LineProfile, data: Path) -> Path:
    """The line's folder, its profile saying what it was fitted on and what was held out then."""
    path = line.folder / "line.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(line.line, dataset=str(data))))
    manifest = Manifest.read(line.folder)
    for label in (0, 1):
        folder = data / "test" / ("good", "defect")[label]
        manifest.add("holdout", [Item(path=p, label=label) for p in sorted(folder.iterdir())])
    manifest.write(line.folder)
    return line.folder


@pytest.mark.parametrize("at_hand", [True, False])
@pytest.mark.parametrize(("option", "kind"), [("--defects", "defect"), ("--goods", "good")])
def test_the_lines_own_hold_out_is_found_where_no_data_set_is_named(
    tmp_path: Path,
    line: LineProfile,
    data: Path,
    option: str,
    kind: str,
    at_hand: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = made_on(line, data)
    copies = tmp_path / "known"
    shutil.copytree(data / "test" / kind, copies)
    if not at_hand:
        data.rename(tmp_path / "away")
    assert main(["calibrate", str(folder), option, str(copies)]) == 2
    said = capsys.readouterr().err
    assert "hold-out image" in said
    assert str(copies) in said
    assert reopened(line).line.calibration == line.line.calibration


def test_goods_of_the_lines_own_data_set_are_found_under_another_name(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_on(line, data)
    shutil.copytree(data / "train" / "good", tmp_path / "returns")
    assert main(["calibrate", str(line.folder), "--defects", str(tmp_path / "returns")]) == 2
    assert "is given as defect, but the same image" in capsys.readouterr().err


def test_what_was_taken_out_of_the_hold_out_may_be_calibrated_on(line: LineProfile, data: Path) -> None:
    made_on(line, data)
    moved = data / "test" / "defect" / "00.png"
    moved.rename(data / "train" / "defect" / "moved.png")
    assert main(["calibrate", str(line.folder), str(data)]) == 0
    assert len(reopened(line).calibration.defects) == 11
    roles = Manifest.read(line.folder).having("calibration")
    assert any(entry.path.endswith("moved.png") for entry in roles.values())
