"""Folders that a user hands over as goods or defects: refused where anything says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.data.dataset import open_dataset
from saec.data.user_folders import goods_set, pictures_of, with_goods
from saec.errors import DataError
from saec.types import DEFECT, GOOD
from tests.flat_images import flat


def tree(root: Path, **counts: int) -> Path:
    for number, (folder, count) in enumerate(counts.items()):
        for i in range(count):
            flat(root / folder.replace("__", "/") / f"{i}.png", 20 * number + i)
    return root


@pytest.mark.parametrize("name", ["good", "ok", "Normal", "OK_parts", "goods", "defect-free"])
def test_a_folder_named_for_goods_holds_no_defects(tmp_path: Path, name: str) -> None:
    folder = tree(tmp_path / name, **{".": 2})
    with pytest.raises(DataError, match="2 of its 2 images are good by the name"):
        pictures_of(folder, DEFECT)
    assert len(pictures_of(folder, GOOD)) == 2


@pytest.mark.parametrize("name", ["defect", "NG", "anomalies"])
def test_a_folder_named_for_defects_holds_no_goods(tmp_path: Path, name: str) -> None:
    folder = tree(tmp_path / name, **{".": 2})
    with pytest.raises(DataError, match="are defective by the name"):
        pictures_of(folder, GOOD)
    assert len(pictures_of(folder, DEFECT)) == 2


def test_a_whole_hold_out_is_no_folder_of_defects(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", train__good=3, test__good=12, test__cut=9, test__hole=7)
    for folder in (root / "test", root):
        with pytest.raises(DataError, match="are good by the name") as caught:
            pictures_of(folder, DEFECT)
        assert "only" in caught.value.remedy
    assert len(pictures_of(root / "test" / "cut", DEFECT)) == 9


def test_kinds_in_folders_are_defects_at_any_depth(tmp_path: Path) -> None:
    folder = tree(tmp_path / "known", cut=2, monday__hole=3)
    assert len(pictures_of(folder, DEFECT)) == 5


def test_the_data_set_around_a_folder_knows_its_labels(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", train__good=3, test__good=2, test__cut=2)
    with pytest.raises(DataError, match="2 of its 2 images are defective in the data set around it"):
        pictures_of(root / "test" / "cut", GOOD)


def test_a_table_knows_labels_that_no_name_says(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    root = tree(tmp_path / "set", images=4)
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 8, "height": 8} for i in range(4)],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "cut"}],
    }
    import json

    (root / "annotations.json").write_text(json.dumps(coco))
    with pytest.raises(DataError, match=r"3 of its 4 images are good in the data set"):
        pictures_of(root, DEFECT)


def test_no_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images"):
        pictures_of(tmp_path, DEFECT)


def test_goods_of_folders_are_fitted_on_and_the_rest_of_a_data_set_is_judged(tmp_path: Path) -> None:
    tree(tmp_path, monday=3, tuesday=2)
    alone = goods_set([tmp_path / "monday", tmp_path / "tuesday"])
    assert len(alone.select("train", GOOD)) == 5
    assert alone.root == tmp_path
    root = tree(tmp_path / "set", train__good=3, train__cut=1, test__good=2, test__cut=2)
    both = with_goods(open_dataset(root), [tmp_path / "monday"])
    assert [len(both.select("train", label)) for label in (GOOD, DEFECT)] == [3, 1]
    assert {i.path.parent.name for i in both.select("train", GOOD)} == {"monday"}
    assert len(both.holdout()) == 4
