"""A line, thresholds or an adapter of another data set are always named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from saec.cli import main
from saec.data.dataset import Item
from saec.data.input_images import Split, list_inputs
from saec.data.manifest import Manifest
from saec.errors import ModelError
from saec.profile import LineProfile
from saec.runs.domain import ADAPTER_FILE, cross_domain
from saec.runs.run_record import read_run
from tests.run_fakes import FakeCloud, make_dataset, make_line


def fitted(folder: Path, dataset: Path) -> LineProfile:
    profile = make_line(folder, goods=list_inputs(dataset, split="train").sources)
    line = msgspec.structs.replace(profile.line, dataset=str(dataset))
    return LineProfile.create(folder, line, profile.calibration)


def calibrated_on(profile: LineProfile, folder: Path) -> None:
    manifest = Manifest.read(profile.folder)
    manifest.add("calibration", [Item(path=path, label=1) for path in sorted(folder.glob("*.png"))])
    manifest.write(profile.folder)


@pytest.fixture
def bottle(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "root" / "bottle", goods=3, defects=3)


@pytest.fixture
def screw(tmp_path: Path) -> Path:
    """The same product photographed brighter: no image in common."""
    root = make_dataset(tmp_path / "root" / "screw", goods=3, defects=3)
    for path in sorted(root.rglob("*.png")):
        path.write_bytes(path.read_bytes() + b" screw")
    return root


@pytest.fixture
def line(tmp_path: Path, bottle: Path) -> LineProfile:
    return fitted(tmp_path / "lines" / "line-of-bottle", bottle)


@pytest.mark.parametrize("split", ["holdout", "train", "test", "all"])
def test_a_line_at_home_has_no_label(line: LineProfile, bottle: Path, split: Split) -> None:
    assert cross_domain(line, list_inputs(bottle, split=split)) is None


def test_a_line_of_another_data_set_is_named(line: LineProfile, screw: Path) -> None:
    assert cross_domain(line, list_inputs(screw)) == "line from bottle, judged on screw"


def test_content_decides_and_not_the_name(
    tmp_path: Path, line: LineProfile, bottle: Path, screw: Path
) -> None:
    moved = shutil.copytree(bottle, tmp_path / "elsewhere" / "flask")
    assert cross_domain(line, list_inputs(moved)) is None
    impostor = shutil.copytree(screw, tmp_path / "elsewhere" / "bottle")
    assert cross_domain(line, list_inputs(impostor)) == "line from bottle, judged on bottle"


@pytest.mark.parametrize(
    ("name", "label"), [("bottle", None), ("screw", "line from bottle, judged on screw")]
)
def test_without_a_train_split_the_name_decides(
    tmp_path: Path, line: LineProfile, screw: Path, name: str, label: str | None
) -> None:
    tested = tmp_path / "new" / name
    shutil.copytree(screw / "test", tested)
    assert cross_domain(line, list_inputs(tested)) == label


def test_a_plain_folder_belongs_to_the_data_set_around_it_or_to_none(
    tmp_path: Path, line: LineProfile, bottle: Path, screw: Path
) -> None:
    photos = shutil.copytree(screw / "test" / "good", tmp_path / "photos")
    assert cross_domain(line, list_inputs(photos)) is None
    assert cross_domain(line, list_inputs(screw / "test" / "good")) == "line from bottle, judged on screw"
    assert cross_domain(line, list_inputs(screw / "test" / "good" / "00.png")) is not None
    assert cross_domain(line, list_inputs(bottle / "test" / "good")) is None
    assert cross_domain(line, list_inputs(bottle / "test")) is None
    assert cross_domain(line, list_inputs(screw / "test")) == "line from bottle, judged on screw"


def test_thresholds_of_another_data_set_are_named_and_a_folder_of_known_defects_is_none(
    tmp_path: Path, line: LineProfile, bottle: Path, screw: Path
) -> None:
    known = shutil.copytree(screw / "test" / "good", tmp_path / "known_defects")
    calibrated_on(line, known)
    assert cross_domain(line, list_inputs(bottle)) is None
    calibrated_on(line, screw / "test" / "defect")
    assert cross_domain(line, list_inputs(bottle)) == "thresholds from screw, judged on bottle"
    assert cross_domain(line, list_inputs(screw)) == "line from bottle, judged on screw"


def test_training_on_the_judged_sets_defects_makes_no_home(line: LineProfile, screw: Path) -> None:
    calibrated_on(line, screw / "train" / "good")
    assert cross_domain(line, list_inputs(screw)) == "line from bottle, judged on screw"


@pytest.mark.parametrize(
    ("dataset", "label"),
    [
        ("root", None),  # tuned on all categories of the root
        ("bottle", None),
        ("/data/mvtec", "adapter from mvtec, judged on bottle"),
    ],
)
def test_an_adapter_says_what_it_was_tuned_on(
    tmp_path: Path, line: LineProfile, bottle: Path, dataset: str, label: str | None
) -> None:
    (tmp_path / ADAPTER_FILE).write_text(json.dumps({"dataset": dataset, "more": 1}))
    assert cross_domain(line, list_inputs(bottle), str(tmp_path)) == label


def test_what_comes_from_one_place_is_said_together(tmp_path: Path, line: LineProfile, screw: Path) -> None:
    (tmp_path / ADAPTER_FILE).write_text('{"dataset": "bottle"}')
    found = cross_domain(line, list_inputs(screw), str(tmp_path))
    assert found == "line and adapter from bottle, judged on screw"


def test_a_damaged_card_is_an_error(tmp_path: Path, line: LineProfile, bottle: Path) -> None:
    (tmp_path / ADAPTER_FILE).write_text('{"data": 3}')
    with pytest.raises(ModelError, match="damaged"):
        cross_domain(line, list_inputs(bottle), str(tmp_path))


def test_the_label_stands_in_the_table_the_json_and_the_run(
    tmp_path: Path,
    line: LineProfile,
    bottle: Path,
    screw: Path,
    fakes: FakeCloud,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures: dict[str, str | None] = {}
    for data in (bottle, screw):
        file, out = tmp_path / "figures.json", tmp_path / "runs" / data.name
        again = ["--verdicts", str(out)]
        for more in (["--out", str(out)], again):
            assert main(["evaluate", str(line.folder), str(data), "--json", str(file), *more]) == 0
            printed = capsys.readouterr().out
            figures[data.name] = json.loads(file.read_text())["cross_domain"]
            assert ("cross-domain" in printed.split("goods")[1]) == (data == screw)
            assert ("line from bottle, judged on screw" in printed) == (data == screw)
        assert read_run(out).cross_domain == figures[data.name]
    assert figures == {"bottle": None, "screw": "line from bottle, judged on screw"}


def test_inspect_says_it_too(
    line: LineProfile, screw: Path, tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(screw), "--line", str(line.folder), "--out", str(tmp_path / "run")]) == 0
    assert "cross-domain: line from bottle, judged on screw" in capsys.readouterr().out
