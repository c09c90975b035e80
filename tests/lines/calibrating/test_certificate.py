"""saec calibrate --certify-escape-rate: a certificate, its gate, and stand-ins that are named as such."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from saec import edge
from saec.cli import main
from saec.lines.calibrating.certificate import CalibrationScores, certify_line, score_stand_ins
from saec.profile import OPEN, LineProfile, sha256_file
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import GateConfig, RiskConfig
from saec.settings.threshold_rule import ThresholdRule
from saec.types import EdgeOpinion, Image
from tests.run_fakes import FakeCloud, Frames, make_line

GOODS = 60


class SpotDetector:
    """Scores a frame by its darkest pixel, so that any mark counts; flat grey 200 scores 2.2."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        scores = [float(255 - int(image.min())) / 25.0 for image in images]
        return [EdgeOpinion(score, int(score >= 5.0)) for score in scores]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixty goods, large enough to paint on, and fifty labelled defects."""
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for i in range(GOODS):
        image = rng.integers(196, 206, (96, 96, 3), np.uint8)
        path = root / "train" / "good" / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    return root


@pytest.fixture
def line(tmp_path: Path, data: Path, fakes: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> LineProfile:
    monkeypatch.setattr(edge, "open_detector", lambda profile: SpotDetector())
    scores = {sha256_file(path): 2.0 + i / GOODS for i, path in enumerate(sorted(data.rglob("*.png")))}
    calibration = calibrate(
        scores,
        (),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=0.5,
        created="2026-01-01T00:00:00+00:00",
    )
    return make_line(tmp_path / "line", calibration=calibration)


@pytest.fixture
def defects(tmp_path: Path) -> Path:
    for i in range(50):
        Frames(tmp_path / "known").add(f"{i:02}", 100 - i)
    return tmp_path / "known"


def reopened(line: LineProfile) -> LineProfile:
    return LineProfile.open(line.folder)


def test_goods_alone_leave_the_escape_side_uncertified_and_say_so(
    line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(line.folder), "--certify-escape-rate", "0.05"]) == 0
    new = reopened(line).calibration
    assert new.certificate is not None
    assert new.certificate.pass_below is None
    assert new.certificate.reject_above == new.goods[-1 - new.certificate.overkills]
    assert (new.gate.low, new.gate.basis) == (-OPEN, "certified")
    printed = capsys.readouterr().out
    assert "UNCERTIFIED, the edge passes nothing alone" in printed
    assert "45 without a miss, 45 more" in printed
    assert "open .. " in printed


def test_defects_certify_both_sides_and_later_calibrations_keep_what_was_asked(
    line: LineProfile, defects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "--certify-escape-rate",
        "0.06",
        "--certify-overkill-rate",
        "0.07",
        "--certify-risk",
        "0.2",
        "--prevalence",
        "0.01",
    ]
    assert main(["calibrate", str(line.folder), "--defects", str(defects), *asked]) == 0
    new = reopened(line).calibration
    c = new.certificate
    assert c is not None
    assert (c.alpha, c.beta, c.delta, c.defects, c.goods) == (0.06, 0.07, 0.2, 50, GOODS)
    assert c.pass_below == new.defects[c.escapes]
    assert not c.stand_ins
    assert new.gate.low <= new.threshold <= new.gate.high
    assert "where 1.00% of frames are defects" in capsys.readouterr().out
    assert main(["calibrate", str(line.folder), "--overkill-rate", "0.1"]) == 0
    assert reopened(line).calibration.certificate == c
    assert main(["calibrate", str(line.folder), "--certify-escape-rate", "0.01"]) == 0
    stricter = reopened(line).calibration.certificate
    assert stricter is not None
    assert (stricter.alpha, stricter.beta, stricter.pass_below) == (0.01, 0.07, None)


def test_another_gate_takes_the_certificates_place_and_not_both(
    line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(line.folder)
    assert main(["calibrate", folder, "--certify-overkill-rate", "0.2"]) == 0
    assert main(["calibrate", folder, "--certify-overkill-rate", "0.2", "--gate-low", "1"]) == 2
    assert "cannot be used together with" in capsys.readouterr().err
    assert main(["calibrate", folder, "--gate-low", "1"]) == 0
    assert "no longer certified" in capsys.readouterr().out
    after = reopened(line).calibration
    assert after.certificate is None
    assert (after.gate.low, after.gate.basis) == (1.0, "goods")
    assert main(["calibrate", folder, "--certify-overkill-rate", "0.2"]) == 0
    assert reopened(line).calibration.by_hand == {}


def test_stand_ins_are_painted_stored_and_named_and_are_no_defects(
    line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["calibrate", str(line.folder), str(data), "--stand-ins", "46", "--certify-escape-rate", "0.05"])
        == 0
    )
    new = reopened(line).calibration
    assert len(new.stand_ins) == 46
    assert {name.split()[2] for name in new.stand_ins} <= set(new.good_scores)
    assert len({name.split()[2] for name in new.stand_ins}) == 46
    assert (new.defects, new.defect_scores, new.p_defect) == ([], {}, None)
    assert new.certificate is not None
    assert new.certificate.stand_ins
    assert new.certificate.pass_below == min(new.stand_ins.values())
    assert "STAND-INS" in capsys.readouterr().out
    assert main(["calibrate", str(line.folder), "--stand-ins", "0"]) == 0
    forgotten = reopened(line).calibration
    assert forgotten.stand_ins == {}
    assert forgotten.certificate is not None
    assert forgotten.certificate.pass_below is None


def test_stand_ins_need_goods_at_hand_and_no_more_than_there_are_parts(
    line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(line.folder), "--stand-ins", "10"]) == 2
    assert "was found" in capsys.readouterr().err
    assert main(["calibrate", str(line.folder), str(data), "--stand-ins", "61"]) == 2
    assert "61 stand-ins are too many: the line has good images of only 60 parts" in capsys.readouterr().err
    paths = sorted(data.rglob("*.png"))
    goods = [(path, sha256_file(path)) for path in paths]
    parts = {sha: f"part {i // 6}" for i, (_, sha) in enumerate(goods)}
    scores = score_stand_ins(line, SpotDetector(), goods, parts, 10)
    assert len({parts[name.split()[2]] for name in scores}) == 10
    assert scores == score_stand_ins(line, SpotDetector(), goods, parts, 10)


def test_real_defects_come_before_stand_ins_and_are_never_mixed_with_them() -> None:
    goods = {str(i): float(i) for i in range(100)}
    painted = {f"scratch on {i}": 200.0 + i for i in range(60)}
    few = {f"d{i}": 300.0 + i for i in range(44)}
    enough = {**few, "d44": 1.0}

    def certificate(defects: dict[str, float]) -> tuple[bool, int, float | None]:
        c = certify_line(
            CalibrationScores(goods=goods, defects=defects, stand_ins=painted, parts={}), RiskConfig()
        )
        return c.stand_ins, c.defects, c.pass_below

    assert certificate(few) == (True, 60, 200.0)
    assert certificate(enough) == (False, 45, 1.0)


def test_images_of_one_part_are_one_unit() -> None:
    goods = {str(i): float(i) for i in range(100)}
    parts = {str(i): f"part {i % 50}" for i in range(100)}
    defects = {f"d{i}": 300.0 for i in range(50)}
    known = CalibrationScores(
        goods=goods, defects=defects, stand_ins={}, parts=parts | dict.fromkeys(defects, "one")
    )
    c = certify_line(known, RiskConfig())
    assert (c.goods, c.defects, c.pass_below) == (50, 1, None)


def test_part_ids_of_new_defects_are_taken_from_their_names(line: LineProfile, defects: Path) -> None:
    pattern = r"(\d)\d\.png"
    options = ["--defects", str(defects), "--parts-pattern", pattern, "--certify-escape-rate", "0.4"]
    assert main(["calibrate", str(line.folder), *options]) == 0
    c = reopened(line).calibration.certificate
    assert c is not None
    assert c.defects == 5


def test_a_calibration_with_a_certificate_survives_the_disk(line: LineProfile) -> None:
    assert main(["calibrate", str(line.folder), "--certify-escape-rate", "0.05"]) == 0
    calibration = reopened(line).calibration
    assert msgspec.json.decode(msgspec.json.encode(calibration), type=type(calibration)) == calibration
