"""Each layout is found by itself and read rightly; what is not understood is said, with what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from saec.data.dataset import Dataset, categories, open_dataset
from saec.data.parts import PartIds
from saec.errors import ConfigError, DataError
from saec.types import Mask

Draw = Callable[..., Path]


def counts(data: Dataset) -> Counter[tuple[str, int | None, str]]:
    return Counter((i.split, i.label, i.kind) for i in data.items)


def test_mvtec(mvtec: Path) -> None:
    data = open_dataset(mvtec / "bolt")
    assert (data.name, data.layout) == ("bolt", "mvtec")
    assert counts(data) == {
        ("train", 0, "good"): 6,
        ("test", 0, "good"): 3,
        ("test", 1, "bent"): 4,
        ("test", 1, "dirty"): 2,
    }
    for item in data.items:
        if item.label == 1:
            assert item.mask is not None
            (file,) = item.mask.files
            assert file.name == f"{item.path.stem}_mask.png"
            assert file.parent.name == item.kind
        else:
            assert item.mask is None
    assert data.holdout() == data.select("test")
    assert len(data.select(("train", "test"), 0)) == 9


def test_mvtec_masks_by_plain_name_and_jpg(mvtec: Path) -> None:
    folder = mvtec / "bolt" / "ground_truth" / "bent"
    (folder / "000_mask.png").rename(folder / "000.png")
    (folder / "001_mask.png").rename(folder / "001_mask.jpg")
    masks = {
        i.path.stem: i.mask and i.mask.files for i in open_dataset(mvtec / "bolt").items if i.kind == "bent"
    }
    assert masks["000"] == (folder / "000.png",)
    assert masks["001"] == (folder / "001_mask.jpg",)


def test_ksdd2(ksdd2: Path) -> None:
    data = open_dataset(ksdd2)
    assert data.layout == "ksdd2"
    assert counts(data) == {
        ("train", 0, "good"): 6,
        ("train", 1, "defect"): 2,
        ("test", 0, "good"): 5,
        ("test", 1, "defect"): 1,
    }
    assert all((i.mask is not None) == (i.label == 1) for i in data.items)
    (ksdd2 / "train" / "10003_GT.png").unlink()
    with pytest.raises(DataError, match="10003"):
        open_dataset(ksdd2)


def test_visa(visa: Path) -> None:
    assert [c.name for c in categories(visa)] == ["candle", "fryum"]
    data = open_dataset(visa / "fryum")
    assert (data.name, data.layout) == ("fryum", "visa")
    assert counts(data) == {("train", 0, "good"): 3, ("test", 0, "good"): 2, ("test", 1, "anomaly"): 2}
    assert all(i.path.is_file() for i in data.items)
    assert all(i.mask and i.mask.files[0].is_file() for i in data.select(label=1))
    assert len(open_dataset(visa).items) == 14


def test_visa_table_without_a_column(visa: Path) -> None:
    table = visa / "split_csv" / "1cls.csv"
    table.write_text(table.read_text().replace("label", "class", 1))
    with pytest.raises(DataError, match="no column label"):
        open_dataset(visa / "candle")


@pytest.mark.parametrize(
    ("good", "defect", "split"),
    [
        ("good", "defect", "test"),
        ("OK", "NG", "val"),
        ("normal", "anomaly", "train"),
        ("Non-Defective", "bad", "valid"),
    ],
)
def test_folders_and_their_synonyms(tmp_path: Path, draw: Draw, good: str, defect: str, split: str) -> None:
    draw(tmp_path / split / good / "a.png", 0)
    draw(tmp_path / split / defect / "b.bmp", 1)
    data = open_dataset(tmp_path)
    assert data.layout == "folders"
    assert [i.label for i in sorted(data.items, key=lambda i: i.path.name)] == [0, 1]
    assert data.holdout() == ([] if split == "train" else data.items)


def test_folders_without_splits_are_all_holdout(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "good" / "a.png", 0)
    draw(tmp_path / "defect" / "scratch" / "b.png", 1)
    data = open_dataset(tmp_path)
    assert counts(data) == {("", 0, "good"): 1, ("", 1, "scratch"): 1}
    assert len(data.holdout()) == 2


def test_masks_of_a_train_split_are_not_those_of_the_test(tmp_path: Path, draw: Draw, mask: Draw) -> None:
    for split in ("train", "test"):
        draw(tmp_path / split / "good" / "a.png", 0)
        draw(tmp_path / split / "defect" / "b.png", 1)
    mask(tmp_path / "ground_truth" / "defect" / "b.png")
    assert [i.mask for i in open_dataset(tmp_path).select("train", 1)] == [None]
    own = mask(tmp_path / "ground_truth" / "train" / "defect" / "b_mask.png")
    data = open_dataset(tmp_path)
    assert [i.mask for i in data.select("train", 1)] == [Mask(files=(own,))]
    other = tmp_path / "ground_truth" / "defect" / "b.png"
    assert [i.mask for i in data.select("test", 1)] == [Mask(files=(other,))]


def test_bare_folder_is_unlabelled(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "b" / "2.png", 1)
    draw(tmp_path / "1.png", 0)
    data = open_dataset(tmp_path)
    assert data.layout == "images"
    assert [(i.path.name, i.label) for i in data.items] == [("1.png", None), ("2.png", None)]
    assert len(data.holdout()) == 2


def test_a_layout_can_be_forced(mvtec: Path) -> None:
    data = open_dataset(mvtec / "bolt", layout="images")
    assert {i.label for i in data.items} == {None}
    with pytest.raises(DataError):
        open_dataset(mvtec / "bolt", layout="visa")


def test_categories(mvtec: Path, tmp_path: Path) -> None:
    assert [c.name for c in categories(mvtec)] == ["bolt", "cap"]
    assert categories(mvtec / "cap") == [mvtec / "cap"]
    assert categories(tmp_path / "nothing") == [tmp_path / "nothing"]


def test_a_root_of_categories_asks_for_one(mvtec: Path) -> None:
    with pytest.raises(DataError, match="bolt, cap") as e:
        open_dataset(mvtec)
    assert str(mvtec / "bolt") in e.value.remedy


def test_errors_say_what_was_seen_and_what_is_expected(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "cats" / "a.png", 0)
    draw(tmp_path / "test" / "dogs" / "b.png", 1)
    with pytest.raises(DataError, match="cats") as e:
        open_dataset(tmp_path)
    assert "train/good" in e.value.remedy


def test_two_folders_of_goods_are_ambiguous(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "good" / "a.png", 0)
    draw(tmp_path / "train" / "ok" / "b.png", 1)
    with pytest.raises(DataError, match="good and ok"):
        open_dataset(tmp_path)


def test_two_validation_folders_are_ambiguous(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "val" / "good" / "a.png", 0)
    draw(tmp_path / "valid" / "good" / "b.png", 1)
    with pytest.raises(DataError, match="both mean val"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("layout", ["auto", "images", "mvtec"])
def test_nothing_there(tmp_path: Path, layout: str) -> None:
    with pytest.raises(DataError):
        open_dataset(tmp_path, layout=layout)
    with pytest.raises(DataError):
        open_dataset(tmp_path / "none", layout=layout)


def test_part_ids_from_the_name(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "good" / "L7_p12_1.png", 0)
    draw(tmp_path / "good" / "L7_p12_2.png", 1)
    parts = PartIds(r"^(?P<lot>L\d+)_(?P<part>p\d+)_")
    assert [(i.part, i.lot) for i in open_dataset(tmp_path, parts=parts).items] == [("p12", "L7")] * 2
    assert PartIds(r"part(\d+)/").of("a/part3/x.png") == ("3", "")
    with pytest.raises(DataError, match="odd"):
        parts.of("odd.png")


def test_part_ids_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "parts.csv"
    table.write_text("\ufeffpath,part,lot\n000.png,a,1\ntest/000.png,b,\nx\\y.png,c,3\n", encoding="utf-8")
    parts = PartIds(table=table)
    assert parts.of(Path("/d/train/000.png")) == ("a", "1")
    assert parts.of(Path("/d/test/000.png")) == ("b", "")
    assert parts.of(Path("/d/x/y.png")) == ("c", "3")
    with pytest.raises(DataError):
        parts.of(Path("/d/001.png"))


@pytest.mark.parametrize("content", ["file,part\na,b\n", "path,part\na,b\na,c\n"])
def test_bad_part_tables(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError):
        PartIds(table=tmp_path / "t.csv")


@pytest.mark.parametrize("pattern", ["(", "abc", "(?P<lot>x)"])
def test_bad_part_patterns(pattern: str) -> None:
    with pytest.raises(ConfigError):
        PartIds(pattern)
    with pytest.raises(ConfigError):
        PartIds()
