"""Every layout that people bring is read with the right counts of goods, defects and masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from saec.data.checks.image_faults import check_root
from saec.data.dataset import categories, open_dataset
from saec.data.input_images import list_inputs
from saec.data.layouts.coco import unpacked
from saec.data.layouts.unlabelled import find_pictures
from saec.data.masks import mask_pixels
from saec.errors import ConfigError, DataError
from saec.types import DEFECT
from tests.data.data_trees import (
    BOX,
    MARKED,
    SIZE,
    TREES,
    Pen,
    Tree,
    ad2,
    coco,
    coco_table,
    images_and_masks,
    loco,
    mvtec,
    numbers,
    realiad,
    yolo_boxes,
)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.title)
def test_check_counts_goods_defects_and_masks(tmp_path: Path, tree: Tree) -> None:
    root = tree.make(tmp_path)
    (checked,) = check_root(root, near=False)
    assert checked.layout == tree.layout
    assert checked.counts == tree.counts
    assert (checked.masks, checked.boxes) == (tree.masks, tree.boxes)
    others = [f.code for f in checked.faults if f.code != "duplicate-within"]
    assert sorted(others) == sorted(tree.warnings)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.title)
def test_every_mask_marks_the_defect(tmp_path: Path, tree: Tree) -> None:
    for item in open_dataset(tree.make(tmp_path)).items:
        assert item.path.is_file()
        if item.label == DEFECT and item.mask is not None and not item.mask.boxes:
            marked = mask_pixels(item.mask, SIZE)
            assert np.count_nonzero(marked) > 0
            if item.mask.files:
                np.testing.assert_array_equal(marked, MARKED > 0)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.title)
def test_a_root_of_such_sets_is_a_root_of_categories(tmp_path: Path, tree: Tree) -> None:
    root = tree.make(tmp_path / "set" / "one")
    assert root in categories(tmp_path / "set" / "one")


AFFIXES = [
    "{}_mask", "{}_GT", "{}_gt", "{}-mask", "{} mask", "{}.mask", "{}_MASK", "{}_mask_0", "{}_mask1",
    "{}_ground_truth", "mask_{}", "gt_{}", "Mask-{}", "{}_label", "{}_seg", "{}_segmentation",
    "{}_defect_mask", "{}_labels",
]  # fmt: skip
"""How masks are named that lie among the images."""
FOLDERS = [
    "ground_truth/{k}", "GroundTruth/{k}", "gt/{k}", "masks/{k}", "test/{k}/masks", "test/{k}/mask",
    "masks/test/{k}", "ground_truth/test/{k}", "test/ground_truth/{k}", "test/{k}/ground_truth", "labels/{k}",
    "annotations/{k}", "test/{k}/label", "Mask_images/{k}", "binary masks/{k}", "mask",
]  # fmt: skip
"""Where masks lie that have a folder of their own."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    affix=st.sampled_from([None, *AFFIXES]),
    folder=st.sampled_from([None, *FOLDERS]),
    image=st.sampled_from([".png", ".JPG", ".bmp"]),
    mask=st.sampled_from([".png", ".jpg", ".bmp", ".PNG"]),
    kinds=st.sets(st.sampled_from(["crack", "label", "bad", "NG", "Kratzer"]), min_size=1, max_size=2),
)
def test_no_mask_is_ever_counted_as_an_image(
    tmp_path_factory: pytest.TempPathFactory,
    affix: str | None,
    folder: str | None,
    image: str,
    mask: str,
    kinds: set[str],
) -> None:
    if affix is None and folder is None:
        assume(image.lower() != mask.lower())  # else it would be the image itself
    root = tmp_path_factory.mktemp("set")
    pen = Pen(root)
    pen.images("train/good", 3, ending=image)
    pen.images("test/good", 2, first=10, ending=image)
    for at, kind in enumerate(sorted(kinds)):
        pen.images(f"test/{kind}", 2, first=20 + 10 * at, ending=image)
        for stem in (f"{20 + 10 * at:03d}", f"{21 + 10 * at:03d}"):
            where = (folder or "test/{k}").format(k=kind)
            pen.mask(f"{where}/{(affix or '{}').format(stem)}{mask}")
    (checked,) = check_root(root, near=False)
    assert sum(sum(kind.values()) for kind in checked.counts.values()) == 5 + 2 * len(kinds)
    assert checked.masks == 2 * len(kinds)
    assert {f.code for f in checked.faults} <= {"duplicate-within"}


@pytest.mark.parametrize("name", ["front_label", "face_mask", "side_gt", "seg_1", "defect_3"])
def test_a_photograph_with_the_name_of_a_mask_is_an_image(tmp_path: Path, name: str) -> None:
    pen = Pen(tmp_path)
    pen.images("train/good", 3)
    pen.image("train/good/front.png")
    pen.image(f"test/good/{name}.png")
    pen.image(f"test/bad/{name}.png")
    (checked,) = check_root(tmp_path, near=False)
    assert checked.counts == {"train": {"good": 4}, "test": {"good": 1, "bad": 1}}


def test_masks_among_unlabelled_images_are_no_images(tmp_path: Path) -> None:
    pen = Pen(tmp_path)
    pen.images("shots", 3)
    pen.masks("shots", numbers(3))
    assert len(find_pictures(tmp_path / "shots")) == 3
    data = open_dataset(tmp_path / "shots", layout="images")
    assert len(data.items) == 3
    assert [f.code for f in data.faults] == ["mask"]


def test_a_mask_that_fits_two_images_stops_every_command(tmp_path: Path) -> None:
    pen = Pen(tmp_path)
    pen.images("good", 3, first=50)
    pen.images("crack", 2)
    pen.images("hole", 2)
    pen.masks("mask", numbers(2), ".png")
    with pytest.raises(
        DataError, match=r"000\.png may be the mask of several images: crack/000\.png and hole/000\.png"
    ):
        open_dataset(tmp_path)
    (checked,) = check_root(tmp_path, near=False)
    assert [f.code for f in checked.faults if f.level == "error"] == ["mask-ambiguous"] * 2


def test_images_without_masks_are_asked_about(tmp_path: Path) -> None:
    pen = Pen(tmp_path)
    pen.images("images", 5)
    pen.masks("masks", numbers(2), ".png")
    with pytest.raises(DataError, match="3 of 5 images have no mask") as e:
        open_dataset(tmp_path)
    assert "unmarked=good" in e.value.remedy
    assert "unmarked=out" in e.value.remedy
    labels = [i.label for i in open_dataset(tmp_path, layout="marked:unmarked=good").items]
    assert labels == [1, 1, 0, 0, 0]
    assert len(open_dataset(tmp_path, layout="marked:unmarked=out").items) == 2


def test_an_inverted_mask_tells_no_label(tmp_path: Path) -> None:
    images_and_masks(Pen(tmp_path))
    path = tmp_path / "train" / "masks" / "000.png"
    path.write_bytes(cv2.imencode(".png", np.full(SIZE, 255, np.uint8))[1].tobytes())
    with pytest.raises(DataError, match="marks 100% of the image"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("negative", ["good", "defect"])
def test_positive_and_negative_are_asked_about(tmp_path: Path, negative: str) -> None:
    pen = Pen(tmp_path)
    pen.images("Positive", 2)
    pen.images("Negative", 3, first=10)
    with pytest.raises(DataError, match="may hold defects, or parts that passed") as e:
        open_dataset(tmp_path)
    choice = f"folders:good={'Negative' if negative == 'good' else 'Positive'}"
    assert choice in e.value.remedy
    data = open_dataset(tmp_path, layout=choice)
    assert len(data.select(label=0)) == (3 if negative == "good" else 2)


def test_two_layouts_at_once_are_asked_about(tmp_path: Path) -> None:
    yolo_boxes(Pen(tmp_path))
    names = [p.name for p in sorted((tmp_path / "images" / "train").iterdir())]
    Pen(tmp_path).text("annotations/instances_train.json", coco_table(names, {}))
    with pytest.raises(DataError, match=r"fits the layouts coco .* and yolo") as e:
        open_dataset(tmp_path)
    assert "--layout coco or --layout yolo" in e.value.remedy
    assert open_dataset(tmp_path, layout="yolo").layout == "yolo"
    (checked,) = check_root(tmp_path, near=False)
    assert [f.code for f in checked.faults] == ["layout"]


def test_a_folder_of_goods_by_another_name_is_asked_for(tmp_path: Path) -> None:
    pen = Pen(tmp_path)
    pen.images("train/MT_Free", 3)
    pen.images("test/MT_Free", 2)
    pen.images("test/MT_Crack", 2)
    with pytest.raises(DataError):
        open_dataset(tmp_path)
    data = open_dataset(tmp_path, layout="mvtec:good=MT_Free")
    assert [len(data.select(split, label)) for split in ("train", "test") for label in (0, 1)] == [3, 0, 2, 2]


@pytest.mark.parametrize("layout", ["yolo:unmarked=maybe", "mvtec:goods=x", "coco:table=", "mvtec:good"])
def test_a_choice_that_is_not_understood(tmp_path: Path, layout: str) -> None:
    with pytest.raises(ConfigError, match="not known"):
        open_dataset(tmp_path, layout=layout)


def test_images_without_label_files_are_said(tmp_path: Path) -> None:
    yolo_boxes(Pen(tmp_path))
    (tmp_path / "labels" / "val" / "000.txt").unlink()
    (checked,) = check_root(tmp_path, near=False)
    assert [f.code for f in checked.faults] == ["unmarked"]
    assert checked.counts["val"] == {"good": 2, "crack": 2}
    assert len(open_dataset(tmp_path, layout="yolo:unmarked=out").items) == 9


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.1", "crack 0.5 0.5 0.1 0.1", "0 1 1 1 1 0.9", "{}"])
def test_a_damaged_label_file_is_named(tmp_path: Path, line: str) -> None:
    yolo_boxes(Pen(tmp_path))
    (tmp_path / "labels" / "val" / "000.txt").write_text(BOX + line + "\n")
    with pytest.raises(DataError, match=r"000\.txt:2"):
        open_dataset(tmp_path)


def test_annotations_of_another_size_are_a_fault(tmp_path: Path) -> None:
    coco(Pen(tmp_path))
    table = tmp_path / "annotations" / "instances_val2017.json"
    table.write_text(table.read_text().replace('"width": 32', '"width": 640'))
    (checked,) = check_root(tmp_path, near=False)
    assert {f.code for f in checked.faults} == {"mask-size"}


def test_run_lengths_of_coco() -> None:
    """The string of the COCO API for one row of four pixels, off, on, on, off, by hand."""
    assert unpacked("121") == [1, 2, 1]
    packed = "".join(chr(48 + c) for c in (5, 32 + 4, 3, 7, 0))  # 5, 4 + 3 * 32, 7, then 100 + 0
    assert unpacked(packed) == [5, 100, 7, 100]


def test_saturations_of_loco_are_read(tmp_path: Path) -> None:
    loco(Pen(tmp_path))
    data = open_dataset(tmp_path)
    assert [(s.defect_name, s.pixel_value, s.saturation_threshold) for s in data.saturations] == [
        ("missing", 255, 20),
        ("wrong", 254, 0.5),
    ]
    assert all(i.mask and len(i.mask.files) == 2 for i in data.select(label=1))
    (tmp_path / "defects_config.json").write_text("{")
    with pytest.raises(DataError, match=r"defects_config\.json"):
        open_dataset(tmp_path)


def test_tables_of_realiad_that_differ_are_asked_about(tmp_path: Path) -> None:
    realiad(Pen(tmp_path))
    table = tmp_path / "realiad_jsons" / "plug.json"
    for name in ("realiad_jsons_sv", "realiad_jsons_fuiad_0.1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plug.json").write_text(table.read_text())
    root = tmp_path / "realiad_1024" / "plug"
    assert len(open_dataset(root).items) == 10  # the published one stands first
    table.unlink()
    with pytest.raises(DataError, match="several tables could hold the splits") as e:
        open_dataset(root)
    chosen = e.value.remedy.removeprefix("choose it with --layout ")
    assert len(open_dataset(root, layout=chosen).items) == 10
    assert categories(tmp_path) == [root]
    assert {i.part for i in open_dataset(root, layout=chosen).select("test")} == {"OK/S0003", "NG/AK/S0004"}


def test_masks_of_goods_are_no_strays_and_must_be_empty(tmp_path: Path) -> None:
    mvtec(Pen(tmp_path))
    pen = Pen(tmp_path)
    pen.mask("ground_truth/good/000_mask.png", 0)
    (checked,) = check_root(tmp_path, near=False)
    assert checked.masks == 5
    assert {f.code for f in checked.faults} <= {"duplicate-within"}
    pen.mask("ground_truth/good/001_mask.png")
    (checked,) = check_root(tmp_path, near=False)
    assert [f.code for f in checked.faults if f.level == "error"] == ["mask-of-good"]


def test_what_is_left_out_is_said_with_the_figures(tmp_path: Path) -> None:
    ad2(Pen(tmp_path))
    (tmp_path / "test_public" / "bad" / "000_regular.png").unlink()
    (orphan, sentence) = sorted(list_inputs(tmp_path).notes, key=lambda note: "without a label" in note)
    assert "test_private: 2 images without a label are left out (and 1 more;" in sentence
    assert "this mask has no image" in orphan
    (tmp_path / "test_public" / "ground_truth" / "bad" / "001_regular_mask.png").unlink()
    (checked,) = check_root(tmp_path, near=False)
    (missing,) = [f.message for f in checked.faults if f.code == "mask-missing"]
    assert "1 of 2 defects have no mask" in missing


@pytest.mark.parametrize("form", [".json", ".xml"])
def test_labels_in_a_form_that_is_not_read_are_named(tmp_path: Path, form: str) -> None:
    pen = Pen(tmp_path)
    for name in pen.images("shots", 3):
        pen.text(str(Path(name).with_suffix(form)), "{}")
    (checked,) = check_root(tmp_path / "shots", near=False)
    (fault,) = checked.faults
    assert (checked.layout, fault.code) == ("images", "labels-unread")
    assert "COCO or YOLO" in fault.remedy
    (note,) = list_inputs(tmp_path / "shots").notes
    assert "3 label files" in note


def test_folders_of_which_none_is_known_to_be_good_are_asked_about(tmp_path: Path) -> None:
    pen = Pen(tmp_path)
    pen.images("flat/0", 2)
    pen.images("flat/1", 3)
    (checked,) = check_root(tmp_path / "flat", near=False)
    assert [f.code for f in checked.faults] == ["classes-unknown"]
    assert "--layout folders:good=0" in checked.faults[0].remedy
    assert len(open_dataset(tmp_path / "flat", layout="folders:good=0").select(label=0)) == 2
    pen.images("split/train/ok_front", 2)
    pen.images("split/test/def_front", 2)
    with pytest.raises(DataError, match="no known layout") as e:
        open_dataset(tmp_path / "split")
    assert "--layout folders:good=def_front" in e.value.remedy
    assert len(open_dataset(tmp_path / "split", layout="folders:good=ok_front").select("train", 0)) == 2


@pytest.mark.parametrize(
    ("good", "defect"), [("gut", "schlecht"), ("iO", "niO"), ("良品", "不良品"), ("正常", "异常")]
)
def test_classes_in_other_languages(tmp_path: Path, good: str, defect: str) -> None:
    pen = Pen(tmp_path)
    pen.images(good, 2)
    pen.images(defect, 3)
    data = open_dataset(tmp_path)
    assert [len(data.select(label=label)) for label in (0, 1)] == [2, 3]
