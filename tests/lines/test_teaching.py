"""A line is taught: one by one is all at once, a version never changes, nothing held out is taught."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

import saec
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.manifest import Manifest
from saec.edge import open_detector
from saec.edge.learning.taught_frames import LARGEST_FILE
from saec.errors import DataError, LeakError, LineError
from saec.lines.teaching import forget_frames, next_version, teach_line
from saec.profile import LineProfile, sha256_file, write_json
from saec.types import GOOD
from tests.conftest import SIDE

SETTINGS = {"side_px": SIDE, "memory_patches": 512, "folds": 4, "threads": 1, "overkill_rate": 0.1}
TOLERANCE = 0.25
"""Share of the spread of scores by which a line of eight goods, taught six more, may differ from one of
all fourteen: the first goods set the steps in which features are kept, and so few say them roughly."""


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def folder_of(paths: Sequence[Path], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, folder / path.name)
    return folder


def scores(line: Path, images: Sequence[Path]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    detector = open_detector(LineProfile.open(line))
    return np.array([detector.inspect([read_image(path)])[0].score for path in images])


@pytest.fixture(scope="session")
def images(gears: Path) -> dict[str, list[Path]]:
    return {
        name: sorted((gears / name).iterdir())
        for name in ("train/good", "train/defect", "test/good", "test/defect")
    }


@pytest.fixture(scope="session")
def few(images: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line of the first eight goods, which knows of no data set."""
    root = tmp_path_factory.mktemp("few")
    goods = folder_of(images["train/good"][:8], root / "goods")
    return saec.fit(goods=goods, out=root / "gears", **SETTINGS).folder  # type: ignore[arg-type]


def one_by_one(line: saec.Line, later: Sequence[tuple[str, Path]], folder: Path) -> saec.Line:
    for step, (name, path) in enumerate(later):
        photos = {name: folder_of([path], folder / f"images-{step}" / "photos")}
        line = line.teach(out=folder / f"step-{step}", **photos)  # type: ignore[arg-type]
    return line


def test_one_by_one_in_any_order_is_one_fit(
    few: Path, images: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    goods, defects = images["train/good"], images["train/defect"]
    later = [*(("goods", path) for path in goods[8:]), *(("defects", path) for path in defects)]
    test = [*images["test/good"], *images["test/defect"]]
    taught, found = [], []
    for seed in (1, 2):
        order = [later[at] for at in np.random.default_rng(seed).permutation(len(later))]
        taught.append(one_by_one(saec.Line.open(few), order, tmp_path_factory.mktemp("order")).profile)
        found.append(scores(taught[-1].folder, test))
    root = tmp_path_factory.mktemp("whole")
    whole = saec.fit(goods=folder_of(goods, root / "photos"), out=root / "one", **SETTINGS)  # type: ignore[arg-type]
    whole = whole.teach(defects=folder_of(defects, root / "new"), out=root / "whole")
    for profile in taught:
        assert profile.line.version == 1 + len(later)
        assert profile.calibration.good_scores.keys() == whole.profile.calibration.good_scores.keys()
        assert profile.calibration.defect_scores.keys() == whole.profile.calibration.defect_scores.keys()
    assert (found[0] == found[1]).all()
    assert taught[0].calibration.good_scores == taught[1].calibration.good_scores
    at_once = scores(whole.folder, test)
    assert np.abs(found[0] - at_once).max() <= TOLERANCE * np.ptp(at_once)


def test_picked_goods_are_learned_but_set_no_threshold(
    few: Path, images: dict[str, list[Path]], tmp_path: Path
) -> None:
    new = [Item(path=path, label=GOOD, split="train", picked=True) for path in images["train/good"][8:]]
    before = saec.Line.open(few).profile
    after, summary = teach_line(before, tmp_path / "next", goods=new, created="")
    assert summary.goods == len(new)
    assert after.calibration.good_scores.keys() == before.calibration.good_scores.keys()
    assert after.calibration.goods != before.calibration.goods
    hashes = [sha256_file(path) for path in images["train/good"][8:]]
    assert {Manifest.read(after.folder).roles[sha].role for sha in hashes} == {"train"}
    again, _ = forget_frames(after, tmp_path / "again", hashes, created="")
    assert again.calibration.goods == before.calibration.goods


def test_a_version_never_changes(few: Path, images: dict[str, list[Path]], tmp_path: Path) -> None:
    before = snapshot(few)
    defects = folder_of(images["train/defect"], tmp_path / "defects")
    line = saec.Line.open(few).teach(defects=defects, out=tmp_path / "next")
    assert snapshot(few) == before
    assert line.profile.line.parent == sha256_file(few / "line.json")
    assert line.name == "gears"
    assert (line.folder / "taught.npz").stat().st_size <= LARGEST_FILE
    roles = Manifest.read(line.folder).roles
    assert [roles[sha256_file(p)].role for p in images["train/defect"]] == ["calibration"] * 4
    with pytest.raises(LineError, match="exists already"):
        line.teach(defects=defects, out=few)


def test_what_is_forgotten_was_never_taught(few: Path, images: dict[str, list[Path]], tmp_path: Path) -> None:
    wrong = images["train/good"][9]
    taught = saec.Line.open(few).teach(goods=folder_of([wrong], tmp_path / "wrong"), out=tmp_path / "a")
    line = taught.forget(sha256_file(wrong)[:10], out=tmp_path / "b")
    test = [*images["test/good"], *images["test/defect"]]
    assert (scores(line.folder, test) == scores(few, test)).all()
    assert line.threshold == saec.Line.open(few).threshold
    assert sha256_file(wrong) not in Manifest.read(line.folder).roles
    again = line.teach(defects=folder_of([wrong], tmp_path / "right"), out=tmp_path / "c")
    assert sha256_file(wrong) in again.profile.calibration.defect_scores


@pytest.mark.parametrize("digits", ["", "zz", hashlib.sha256(b"nobody's").hexdigest()])
def test_an_unknown_hash_is_named(few: Path, tmp_path: Path, digits: str) -> None:
    with pytest.raises(DataError, match="begins with"):
        saec.Line.open(few).forget(digits, out=tmp_path / "next")


def test_the_same_frames_are_nothing_new(few: Path, images: dict[str, list[Path]], tmp_path: Path) -> None:
    goods = folder_of(images["train/good"][:3], tmp_path / "goods")
    with pytest.raises(DataError, match="nothing new"):
        saec.Line.open(few).teach(goods=goods, out=tmp_path / "next")
    assert not (tmp_path / "next").exists()
    goods = folder_of(images["train/good"][:10], tmp_path / "goods")
    line = saec.Line.open(few).teach(goods=goods, out=tmp_path / "next")
    assert "taught 2 good images and 0 defects (8 images were known before)" in line.notes[0]


def test_a_wrong_label_says_what_to_do(few: Path, images: dict[str, list[Path]], tmp_path: Path) -> None:
    wrong = folder_of(images["train/good"][:1], tmp_path / "wrong")
    with pytest.raises(DataError, match="saec forget"):
        saec.Line.open(few).teach(defects=wrong, out=tmp_path / "next")
    with pytest.raises(DataError, match="different labels"):
        saec.Line.open(few).teach(
            goods=folder_of(images["train/good"][9:10], tmp_path / "a"),
            defects=folder_of(images["train/good"][9:10], tmp_path / "b"),
            out=tmp_path / "next",
        )


def test_what_is_held_out_is_not_taught(
    gear_line: Path, images: dict[str, list[Path]], tmp_path: Path
) -> None:
    held = folder_of(images["test/defect"][:1], tmp_path / "held")
    with pytest.raises(LeakError):
        saec.Line.open(gear_line).teach(defects=held, out=tmp_path / "next")


def test_a_line_of_another_detector_cannot_be_taught(few: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(few, other)
    record = (other / "line.json").read_text().replace('"kind": "patch"', '"kind": "yolo"')
    (other / "line.json").write_text(record)
    with pytest.raises(LineError, match="cannot be taught"):
        saec.Line.open(other).forget("aa", out=tmp_path / "next")


def test_a_line_without_its_kept_frames_says_so(few: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(few, other)
    (other / "taught.npz").unlink()
    with pytest.raises(LineError, match=r"taught\.npz is missing"):
        saec.Line.open(other).forget(next(iter(Manifest.read(few).roles)), out=tmp_path / "next")


def test_teaching_needs_no_torch(few: Path, images: dict[str, list[Path]], tmp_path: Path) -> None:
    defects = folder_of(images["train/defect"], tmp_path / "defects")
    code = (
        "import saec, sys; "
        f"line = saec.Line.open({str(few)!r}).teach(defects={str(defects)!r}, out={str(tmp_path / 'n')!r}); "
        "print(line.profile.line.version, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2 False", done.stderr


def test_the_next_version_goes_beside_the_line(tmp_path: Path) -> None:
    for name, following in (("keypad", "keypad-v2"), ("keypad-v2", "keypad-v3"), ("a-v9", "a-v10")):
        (tmp_path / name).mkdir(exist_ok=True)
        assert next_version(tmp_path / name) == tmp_path / following
    (tmp_path / "keypad-v3").mkdir()
    assert next_version(tmp_path / "keypad") == tmp_path / "keypad-v4"


def test_a_good_that_the_detector_has_seen_is_no_new_one_for_a_calibration(
    few: Path, images: dict[str, list[Path]], tmp_path: Path
) -> None:
    """Of very many goods only some keep a cross-fitted score; the others have made the detector, too."""
    line = tmp_path / "line"
    shutil.copytree(few, line)
    profile = LineProfile.open(line)
    sha = next(iter(profile.calibration.good_scores))
    left = {known: score for known, score in profile.calibration.good_scores.items() if known != sha}
    write_json(line / "calibration-1.json", msgspec.structs.replace(profile.calibration, good_scores=left))
    goods = folder_of(images["train/good"][:8], tmp_path / "goods")
    after = saec.Line.open(line).calibrate(goods=goods).profile.calibration
    assert after.good_scores == left
