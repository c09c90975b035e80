"""saec worth: on a user's images, leak-free, each judge once, every figure measured or unknown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.frame.judges import Cloud
from saec.meter import Meter, PhaseReading
from saec.profile import LineProfile
from saec.settings import CloudConfig
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, make_dataset, make_line


def labelled(root: Path, n: int = 24, *, errs: int = 10, split: str = "test") -> Path:
    """Half goods, half defects; the edge errs on the first few of each by a little, the cloud never."""
    frames = Frames(root)
    for i in range(n):
        wrong = i < errs
        frames.add(f"{split}/good/{i:02}", 135 + i % 5 if wrong else 50 + i, green=20 + i)
        frames.add(f"{split}/defect/{i:02}", 115 + i % 5 if wrong else 180 + i, green=220 + i % 20)
    return root


def line_of(
    tmp_path: Path, dataset: Path | None = None, *, trust: bool = False, p: bool = True
) -> LineProfile:
    clouds = {Cloud(CloudConfig(model="small")).key: FUSED} if trust else {}
    calibration = msgspec.structs.replace(CALIBRATION, clouds=clouds)
    if not p:
        calibration = msgspec.structs.replace(
            calibration, p_defect=None, goods=[1 + i / 20 for i in range(60)]
        )
    goods = list_inputs(dataset, split="train").sources if dataset else ()
    return make_line(tmp_path / "lines" / "gear", goods=goods, calibration=calibration)


def worth(tmp_path: Path, line: LineProfile, data: Path, *more: str) -> dict[str, Any]:
    file = tmp_path / "worth.json"
    arguments = [str(line.folder), str(data), "--cloud", "small", "--json", str(file), *more]
    assert main(["worth", *arguments]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def shares(*those: float) -> list[str]:
    return [word for share in those for word in ("--share", str(share))]


def test_a_cloud_that_knows_what_the_edge_does_not(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    data = labelled(tmp_path / "gear")
    found = worth(tmp_path, line_of(tmp_path, trust=True), data, *shares(0.25, 0.5, 1))
    assert (found["n_good"], found["n_defect"]) == (24, 24)
    assert found["edge"] == {"accuracy": pytest.approx(28 / 48), "escapes": 10, "overkills": 10}
    assert found["fusion"] == "line"
    first, half, _ = found["rows"]
    assert (first["asked"], first["mended"], first["spoiled"]) == (12, 12, 0)
    assert (half["escapes_avoided"], half["overkills_avoided"]) == (10, 10)
    assert half["accuracy"] == pytest.approx(1)
    assert half["mcnemar_p"] == pytest.approx(2 / 2**20)
    assert found["conclusion"]["outcome"] == "worth"
    assert found["conclusion"]["share"] == 0.5
    printed = capsys.readouterr().out
    assert "Worth asking: when the cloud is asked about the 50 % least sure frames" in printed
    assert "+41.7 points" in printed


def test_every_image_is_asked_about_once(tmp_path: Path, fakes: FakeCloud) -> None:
    worth(tmp_path, line_of(tmp_path, trust=True), labelled(tmp_path / "gear"))
    assert sum(fakes.batches) == 48 + 1, "and one for the warm-up"


def test_without_trust_the_fusion_is_cross_fitted_and_labelled_so(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    found = worth(tmp_path, line_of(tmp_path), labelled(tmp_path / "gear"))
    assert found["fusion"] == "cross-fitted"
    assert "cross-fitted" in capsys.readouterr().out
    assert found["conclusion"]["outcome"] == "worth"


def test_a_line_from_goods_alone(tmp_path: Path, fakes: FakeCloud) -> None:
    found = worth(tmp_path, line_of(tmp_path, p=False), labelled(tmp_path / "gear"))
    assert found["fusion"] == "cross-fitted"
    assert found["rows"][-1]["gain"] > 0.2


def test_too_few_images_say_so_and_show_no_rows(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    found = worth(tmp_path, line_of(tmp_path), labelled(tmp_path / "gear", 4, errs=2))
    assert found["rows"] == []
    assert found["conclusion"]["outcome"] == "too few"
    assert "Too few images" in capsys.readouterr().out


def test_images_that_made_the_line_are_refused(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_dataset(tmp_path / "gear")
    shutil.copy(data / "train" / "good" / "03.png", data / "test" / "good" / "copy.png")
    line = line_of(tmp_path, data)
    assert main(["worth", str(line.folder), str(data), "--cloud", "small"]) == 2
    assert "copy.png" in capsys.readouterr().err


def test_unlabelled_images_and_no_cloud_are_refused(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of(tmp_path)
    Frames(tmp_path / "bare").add("x", 30)
    assert main(["worth", str(line.folder), str(tmp_path / "bare"), "--cloud", "small"]) == 2
    assert "known label" in capsys.readouterr().err
    gear = str(labelled(tmp_path / "gear"))
    for nobody in ([], ["--cloud", "none"]):
        assert main(["worth", str(line.folder), gear, *nobody]) == 2
        assert "--cloud" in capsys.readouterr().err
    bad = ["worth", str(line.folder), str(tmp_path), "--cloud", "small", "--share"]
    for share in ("0", "2", "x", ""):
        assert main([*bad, share]) == 2


def test_another_data_set_is_named(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    found = worth(tmp_path, line_of(tmp_path, trust=True), labelled(tmp_path / "screw"))
    assert found["cross_domain"] == "line from gear, judged on screw"
    assert "cross-domain: line from gear, judged on screw" in capsys.readouterr().out


def test_failures_are_counted_and_leave_the_edges_label(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    data = labelled(tmp_path / "gear")
    Frames(data).broken("test/good/broken")
    Frames(data).add("test/defect/choking", 120, green=13)
    found = worth(tmp_path, line_of(tmp_path, trust=True), data)
    assert (found["n_error"], found["n_failed"], found["n_defect"]) == (1, 1, 25)
    assert found["rows"][-1]["accuracy"] == pytest.approx(48 / 49)
    printed = capsys.readouterr().out
    assert "1 images with an error" in printed
    assert "1 images on which the cloud failed" in printed


def test_copies_of_a_file_and_images_of_a_part_are_one_piece_of_evidence(
    tmp_path: Path, fakes: FakeCloud
) -> None:
    data = labelled(tmp_path / "gear")
    line = line_of(tmp_path, trust=True)
    apart = worth(tmp_path, line, data, "--share", "0.3")["rows"][0]["gain_interval"]
    by_part = ["--parts-pattern", r"(\d)\d\.png"]
    together = worth(tmp_path, line, data, "--share", "0.3", *by_part)["rows"][0]["gain_interval"]
    assert together[1] - together[0] != apart[1] - apart[0]
    for path in sorted((data / "test").rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    copied = worth(tmp_path, line, data, "--share", "0.3")["rows"][0]["gain_interval"]
    assert copied[1] - copied[0] == pytest.approx(apart[1] - apart[0], rel=0.35)


def test_joules_are_those_with_the_cloud_less_those_without(
    tmp_path: Path, fakes: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, line = labelled(tmp_path / "gear"), line_of(tmp_path, trust=True)
    unknown = worth(tmp_path, line, data, "--share", "0.5")
    spent = iter([480.0, 96.0])

    def reading(meter: Meter, phase: str = "run") -> PhaseReading:
        joules = next(spent) if phase == "run" else None
        return PhaseReading(phase=phase, wall_s=1.0, gpu_energy_j=joules)

    monkeypatch.setattr(Meter, "reading", reading)
    known = worth(tmp_path, line, data, "--share", "0.5")
    assert known["j_per_asked"] == pytest.approx((480 - 96) / 48)
    assert known["rows"][0]["extra_j"] == pytest.approx(4.0)
    assert known["rows"][0]["extra_ms"] > 0
    assert any("GPU" in note for note in known["notes"])
    if unknown["j_per_asked"] is None:  # no counter on this machine
        assert unknown["rows"][0]["extra_j"] is None
        assert "unknown" in unknown["notes"][0]


def test_the_run_is_kept_where_asked(tmp_path: Path, fakes: FakeCloud) -> None:
    out = tmp_path / "run"
    worth(tmp_path, line_of(tmp_path, trust=True), labelled(tmp_path / "gear"), "--out", str(out))
    assert main(["report", str(out / "both")]) == 0
