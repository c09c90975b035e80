"""Folders without splits: goods alone, and good beside defect, from the fit to the figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from saec.cli import main
from saec.data.manifest import Manifest
from saec.edge.training import detector_fit as fitting
from saec.profile import LineProfile, sha256_file
from tests.fake_fit import FakeFit
from tests.flat_images import flat


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "patch_fit", lambda *, onnx=False: FakeFit())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(20):
        flat(tmp_path / "photos" / f"{i}.png", 61 + 4 * i)
    return tmp_path / "photos"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    for i in range(20):
        flat(tmp_path / "parts" / "good" / f"{i}.png", 3 * i)
        flat(tmp_path / "parts" / ("cut", "hole")[i % 2] / f"{i}.png", 150 + 5 * i)
    return tmp_path / "parts"


def test_a_folder_of_goods_is_fitted(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "line"
    assert main(["fit", str(photos), "--out", str(out)]) == 2
    assert f"if all images are good, name {photos} as goods" in capsys.readouterr().err
    assert main(["fit", "--goods", str(photos), "--out", str(out)]) == 0
    profile = LineProfile.open(out)
    assert len(profile.calibration.goods) == 20
    assert profile.line.dataset == str(photos)
    assert main(["fit", "--out", str(tmp_path / "other")]) == 2


def test_goods_that_are_defects_are_refused(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (plain, plain / "cut"):
        assert main(["fit", "--goods", str(folder), "--out", str(tmp_path / "line")]) == 2
        assert "are defective" in capsys.readouterr().err
    assert not (tmp_path / "line").exists()


def test_goods_beside_a_data_set_take_its_goods_place(photos: Path, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "line"
    assert main(["fit", str(plain), "--goods", str(photos), "--out", str(out)]) == 0
    roles = Manifest.read(out).roles.values()
    assert [e.role for e in roles].count("train") == 20
    assert [e.role for e in roles].count("holdout") == 40
    shutil.copy(plain / "good" / "3.png", photos / "copy.png")
    assert main(["fit", str(plain), "--goods", str(photos), "--out", str(tmp_path / "leak")]) == 2


def test_a_data_set_without_splits_is_held_out_in_part(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "line"
    assert main(["fit", str(plain), "--out", str(out), "--holdout-share", "0.4", "--seed", "5"]) == 0
    told = capsys.readouterr().out
    assert "8 good images and 8 defects (40 %, drawn with seed 5) are held out" in told
    assert "12 good images, 12 defects for calibration" in told
    roles = Manifest.read(out).roles
    held = {sha for sha, entry in roles.items() if entry.role == "holdout"}
    assert len(held) == 16
    assert held.isdisjoint(LineProfile.open(out).calibration.good_scores)
    assert {sha256_file(p) for p in plain.rglob("*.png")} == set(roles)


def test_the_figures_of_such_a_line_rest_on_what_was_held_out(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from saec import edge
    from saec.types import EdgeOpinion, Image

    class Grey:
        def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
            return [EdgeOpinion(float(i.mean()), int(i.mean() > 100), None) for i in images]

    monkeypatch.setattr(edge, "open_detector", lambda profile: Grey())
    out = tmp_path / "line"
    assert main(["fit", str(plain), "--out", str(out)]) == 0
    assert main(["evaluate", str(out), str(plain), "--json", str(tmp_path / "f.json")]) == 0
    told = capsys.readouterr().out
    figures = json.loads((tmp_path / "f.json").read_text())
    assert (figures["n_good"], figures["n_defect"], figures["cross_domain"]) == (6, 6, None)
    assert "it has no splits, so 28 images that were used to fit or calibrate the line are left out" in told
    assert main(["inspect", str(plain), "--line", str(out), "--out", str(tmp_path / "run")]) == 0
    assert "12 frames" in capsys.readouterr().out
    assert main(["evaluate", str(out), str(plain), "--split", "all"]) == 2  # what made it is never judged
    before = LineProfile.open(out).calibration
    assert main(["calibrate", str(out), str(plain)]) == 0
    after = LineProfile.open(out).calibration
    assert after.defect_scores == before.defect_scores
    assert len(after.defects) == 14
    assert main(["calibrate", str(out), "--defects", str(plain / "cut")]) == 2  # some of them are held out
    assert "is a hold-out image" in capsys.readouterr().err


def test_check_says_what_a_fit_does_without_splits(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(plain)]) == 0
    assert "there are no splits, so `saec fit` draws a hold-out" in capsys.readouterr().out
