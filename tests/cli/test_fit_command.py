"""`saec fit`: what is printed, exit codes, options that contradict each other, several categories."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.cli import main
from saec.edge.training import detector_fit as fitting
from saec.profile import LineProfile
from saec.settings.threshold_rule import ErrorCosts, ThresholdRule
from tests.fake_fit import FakeFit


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return write(tmp_path / "product", 0)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeFit:
    """In place of the default detector."""
    made = FakeFit()
    monkeypatch.setattr(fitting, "patch_fit", lambda *, onnx=False: made)
    return made


def write(root: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for folder, n, level in (("train/good", 20, 100), ("test/good", 2, 100), ("test/dent", 2, 150)):
        (root / folder).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(level + i % 5, 3, (32, 48, 3)).clip(0, 255).astype(np.uint8)
            (root / folder / f"{i:02d}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root


def test_says_what_was_made(product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(product / "train/good/03.png", product / "train/good/99.png")
    out = tmp_path / "lines/product"
    assert main(["fit", str(product), "--out", str(out), "--overkill-rate", "0.075"]) == 0
    told = capsys.readouterr().out
    calibration = LineProfile.open(out).calibration
    assert (
        f"{out}: 20 good images (1 exact copies left out), 0 defects for calibration, input 64 x 64" in told
    )
    assert (
        f"threshold {calibration.threshold:.3f} for 7.5 % false rejects (overkill), "
        "from the good images alone" in told
    )
    assert f"for 2 % it would be {calibration.thresholds_at['0.02']:.3f}" in told
    assert "P(defect) needs labelled defects" in told
    assert "parity: all agree" in told
    assert "warning" not in told


def test_warns_of_goods_that_stand_far_out(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = product / "train/good/07.png"
    cv2.imwrite(str(odd), np.full((32, 48, 3), 240, np.uint8))
    assert main(["fit", str(product), "--out", str(tmp_path / "line")]) == 0
    assert f"warning: 1 of the good images look unusual, check them: {odd}" in capsys.readouterr().out


def test_options_reach_the_fit(product: Path, tmp_path: Path, fake: FakeFit) -> None:
    options = {
        "--side-px": "320", "--memory-patches": "128", "--folds": "4", "--seed": "7", "--bits": "12",
        "--threads": "1", "--roi": "0,0,48,16", "--keep-references": "2",
        "--prevalence": "0.1", "--dtype": "bfloat16",
    }  # fmt: skip
    flat = [word for pair in options.items() for word in pair]
    assert main(["fit", str(product), "--out", str(tmp_path / "line"), *flat]) == 0
    c = fake.config
    assert c is not None
    assert (c.side_px, c.memory_patches, c.folds, c.seed, c.bits, c.threads) == (320, 128, 4, 7, 12, 1)
    assert (c.roi, c.keep_references, c.prevalence, c.dtype) == ((0, 0, 48, 16), 2, 0.1, "bfloat16")


def test_the_threshold_is_chosen_by_costs(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (product / "train/dent").mkdir()
    for i in range(6):
        cv2.imwrite(str(product / f"train/dent/{i}.png"), np.full((32, 48, 3), 103 + 3 * i, np.uint8))
    given = ["--cost", "missed_defect=10", "false_reject=1"]
    assert main(["fit", str(product), "--out", str(tmp_path / "line"), *given]) == 0
    rule = ThresholdRule(cost=ErrorCosts(missed_defect=10, false_reject=1))
    assert LineProfile.open(tmp_path / "line").calibration.rule == rule
    out = capsys.readouterr().out
    assert "with the smallest expected cost, where a missed defect costs 10, a false reject 1 and 50 %" in out
    assert "chosen by" in out
    assert "> cost 10 : 1 " in out

    (tmp_path / "saec.toml").write_text("[fit]\ncost = {missed_defect = 10, false_reject = 1}\n")
    options = ["--config", str(tmp_path / "saec.toml")]
    assert main(["fit", str(product), "--out", str(tmp_path / "other"), *options]) == 0
    assert LineProfile.open(tmp_path / "other").calibration.rule == rule


def test_a_rule_by_defects_needs_some_before_the_fit(
    product: Path, tmp_path: Path, fake: FakeFit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(product), "--out", str(tmp_path / "line"), "--escape-rate", "0.1"]) == 2
    assert "no labelled defects are too few" in capsys.readouterr().err
    assert fake.config is None


def test_every_category_of_a_root_gets_a_line(tmp_path: Path) -> None:
    for seed, name in enumerate(("bolt", "cap")):
        write(tmp_path / "root" / name, seed)
    assert main(["fit", str(tmp_path / "root"), "--out", str(tmp_path / "lines")]) == 0
    names = sorted(p.name for p in (tmp_path / "lines").iterdir())
    assert names == ["bolt", "cap"]
    lines = [LineProfile.open(tmp_path / "lines" / name) for name in names]
    assert [profile.line.name for profile in lines] == names
    assert lines[0].calibration.threshold != lines[1].calibration.threshold


def test_a_line_that_stands_is_replaced_by_force_only(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["fit", str(product), "--out", str(tmp_path / "line")]
    assert main(call) == 0
    assert main(call) == 2
    assert "remedy: choose another folder for out, or replace it: --force, or" in capsys.readouterr().err
    assert main([*call, "--force"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "yolo"], "the detector yolo needs the file of your classifier"),
        (["--yolo", "WEIGHTS"], "is for the detector yolo"),
        (["--yolo-smax", "0.5"], "yolo_smax, yolo_margin and yolo_entropy are for the detector yolo"),
        (["--detector", "yolo", "--yolo", "WEIGHTS", "--onnx"], "onnx is for the detector patch"),
        (["--roi", "1,2,3"], "'1,2,3' is not four whole numbers"),
        (["--roi", "0,0,49,10"], "does not lie within a frame of 48 x 32 pixels"),
        (["--overkill-rate", "0"], "--overkill-rate"),
        (["--escape-rate", "1"], "--escape-rate"),
        (["--escape-rate", "0.1", "--overkill-rate", "0.1"], "overkill_rate and escape_rate cannot be used"),
        (["--cost", "missed_defect=10"], "--cost"),
        (["--cost", "missed_defect=10", "reject=1"], "there is no cost reject"),
        (["--cost", "missed_defect=10", "missed_defect=1"], "--cost missed_defect is given twice"),
        (["--cost", "missed_defect", "false_reject=1"], "Write for example missed_defect=10"),
        (["--cost", "missed_defect=-1", "false_reject=1"], "cost missed_defect=-1"),
        (["--layout", "nonsense"], "layout 'nonsense' is unknown"),
        (["--roi-mask", "missing.png"], "missing.png"),
    ],
)
def test_bad_input_is_told(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"")
    given = [str(weights) if word == "WEIGHTS" else word for word in options]
    assert main(["fit", str(product), "--out", str(tmp_path / "line"), *given]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "line").exists()


def test_out_is_required(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(product)]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bits", "told"),
    [("16", "12 bits, not 16; they will look dark: give --bits 12"), ("12", ""),
     ("10", "12 bits, not 10: give --bits 12")],
)  # fmt: skip
def test_the_depth_of_16_bit_goods_is_compared_with_the_stated_bits(
    product: Path, tmp_path: Path, bits: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, path in enumerate(sorted(product.glob("train/good/*.png"))):
        deep = np.full((32, 48), 4000 + i, np.uint16)
        deep[:, :20] = np.arange(20, dtype=np.uint16) * 100
        for bit in range(5):  # apart in whatever bits are read, or they are copies
            deep[:8, 20 + 4 * bit : 24 + 4 * bit] = 4000 * (i >> bit & 1)
        path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    assert main(["fit", str(product), "--out", str(tmp_path / "line"), "--bits", bits]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert ("warning: the largest value" in out) == bool(told)
