"""The options of fit, calibrate, demo and data: what the help says, keys of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.cli import main
from saec.data.layouts import LAYOUTS
from saec.edge.training import detector_fit as fitting
from saec.edge.training.backbone_packages import PACKAGES
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.profile import LineProfile
from saec.settings import DataConfig, FitConfig, GateConfig, RiskConfig
from saec.settings.setting_tree import attribute_docs
from tests.fake_fit import FakeFit
from tests.flat_images import flat


def test_defaults_that_the_help_says_in_words_are_those_of_the_structs() -> None:
    gate, risk = GateConfig(), RiskConfig()
    said = attribute_docs(RecalibrationRequest)
    for name, default in {
        "p_low": gate.p_low,
        "p_high": gate.p_high,
        "certify_escape_rate": risk.alpha,
        "certify_overkill_rate": risk.beta,
        "certify_risk": risk.delta,
    }.items():
        assert f"unchanged; {default:g} in a" in said[name]


def test_the_help_names_every_layout_and_every_backbone() -> None:
    layouts, backbones = attribute_docs(DataConfig)["layout"], attribute_docs(FitConfig)["backbone"]
    assert [name for name in LAYOUTS if f" {name}" not in layouts] == []
    assert [name for name in PACKAGES if name not in backbones] == []


def test_a_file_holds_the_settings_of_a_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeFit()
    monkeypatch.setattr(fitting, "patch_fit", lambda *, onnx=False: fake)
    for i in range(20):
        flat(tmp_path / "photos" / f"{i}.png", 61 + 4 * i)
    (tmp_path / "saec.toml").write_text(
        '[new_line]\ngoods = ["photos"]\nout = "line"\n'
        '[fit]\nside_px = 320\nfolds = 4\n[detector]\nkind = "patch"\n'
    )
    assert main(["fit", "--config", str(tmp_path / "saec.toml"), "--folds", "5"]) == 0
    assert fake.config is not None
    assert (fake.config.side_px, fake.config.folds) == (320, 5)
    assert len(LineProfile.open(tmp_path / "line").calibration.goods) == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fit]\nside = 320\n", "line 2: [fit] has no key side"),
        ("[fit]\nfolds = 1\n", "line 2: fit.folds"),
        ('[detector]\nkind = "eye"\n', "'eye' is not one of 'patch', 'yolo'"),
    ],
)
def test_a_fault_of_the_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "saec.toml").write_text(text)
    assert main(["fit", "--config", str(tmp_path / "saec.toml"), "--out", str(tmp_path / "line")]) == 2
    assert said in capsys.readouterr().err


def test_the_demo_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 2
    assert "--out" in capsys.readouterr().err
