"""Small trees in the layouts that people bring, each with what must be read of it.

The tests read them, and `scripts/data_tables.py` makes the table of docs/data.md from them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIZE = (24, 32)
MARKED = np.zeros(SIZE, np.uint8)
MARKED[6:12, 8:20] = 255

Counts = dict[str, dict[str, int]]


class Pen:
    """Draws images, no two alike, and masks below a root."""

    def __init__(self, root: Path) -> None:
        self.root, self._rng = root, np.random.default_rng(7)

    def _write(self, name: str, pixels: np.ndarray) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix.lower(), pixels)[1].tobytes())

    def images(self, folder: str, count: int, first: int = 0, ending: str = ".png") -> list[str]:
        names = [f"{folder}/{at:03d}{ending}" for at in range(first, first + count)]
        for name in names:
            self.image(name)
        return names

    def image(self, name: str) -> None:
        self._write(name, self._rng.integers(60, 200, (*SIZE, 3), dtype=np.uint8))

    def masks(self, folder: str, stems: Iterable[str], ending: str = "_mask.png") -> None:
        for stem in stems:
            self.mask(f"{folder}/{stem}{ending}")

    def mask(self, name: str, value: int = 255) -> None:
        self._write(name, MARKED // 255 * value)

    def text(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"{at:03d}" for at in range(first, first + count)]


def mvtec(pen: Pen) -> None:
    pen.images("train/good", 4)
    pen.images("test/good", 2)
    pen.images("test/bent", 3)
    pen.images("test/label", 2)  # a fault of the label, not a folder of masks
    pen.masks("ground_truth/bent", numbers(3))
    pen.masks("ground_truth/label", numbers(2))


def ad2(pen: Pen) -> None:
    for folder, count in (("train/good", 4), ("validation/good", 2), ("test_public/good", 2)):
        pen.images(folder, count, ending="_regular.png")
    pen.images("test_public/bad", 3, ending="_regular.png")
    pen.masks("test_public/ground_truth/bad", numbers(3), "_regular_mask.png")
    pen.images("test_private", 2, ending="_regular.png")
    pen.images("test_private_mixed", 2, ending="_mixed.png")


def loco(pen: Pen) -> None:
    pen.images("train/good", 4)
    pen.images("validation/good", 2)
    pen.images("test/good", 2)
    for kind in ("logical_anomalies", "structural_anomalies"):
        pen.images(f"test/{kind}", 2)
        for image in numbers(2):
            for part in range(2):
                pen.mask(f"ground_truth/{kind}/{image}/{part:03d}.png", 255 - part)
    table = [("missing", 255, 20, False), ("wrong", 254, 0.5, True)]
    keys = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")
    pen.text("defects_config.json", json.dumps([dict(zip(keys, row, strict=True)) for row in table]))


def mvtec_3d(pen: Pen) -> None:
    for folder, count in (("train/good", 4), ("validation/good", 1), ("test/good", 2), ("test/hole", 2)):
        pen.images(f"{folder}/rgb", count)
        for stem in numbers(count):
            pen.image(f"{folder}/xyz/{stem}.tiff")
            if "test" in folder:
                pen.mask(f"{folder}/gt/{stem}.png", 255 * ("hole" in folder))


def visa(pen: Pen) -> None:
    rows: list[tuple[str, ...]] = [("object", "split", "label", "image", "mask")]
    for at, split in enumerate(("train", "train", "train", "test", "test")):
        name = f"candle/Data/Images/Normal/{at:04d}.JPG"
        pen.image(name)
        rows.append(("candle", split, "normal", name, ""))
    for at in range(2):
        name, mask = f"candle/Data/Images/Anomaly/{at:03d}.JPG", f"candle/Data/Masks/Anomaly/{at:03d}.png"
        pen.image(name)
        pen.mask(mask, value=1 + at)
        rows.append(("candle", "test", "anomaly", name, mask))
    _csv(pen, "split_csv/1cls.csv", rows)


def visa_category(pen: Pen) -> None:
    visa(pen)
    (pen.root / "split_csv/1cls.csv").unlink()
    (pen.root / "split_csv").rmdir()
    rows: list[tuple[str, ...]] = [("image", "label", "mask")]
    rows += [(f"candle/Data/Images/Normal/{at:04d}.JPG", "normal", "") for at in range(5)]
    rows += [
        (
            f"candle/Data/Images/Anomaly/{at:03d}.JPG",
            "melt,chip",
            f"candle/Data/Masks/Anomaly/{at:03d}.png",
        )
        for at in range(2)
    ]
    _csv(pen, "candle/image_anno.csv", rows)


def _csv(pen: Pen, name: str, rows: list[tuple[str, ...]]) -> None:
    path = pen.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)


def visa_converted(pen: Pen) -> None:
    pen.images("train/good", 4, ending=".JPG")
    pen.images("test/good", 2, ending=".JPG")
    pen.images("test/bad", 3, ending=".JPG")
    pen.masks("ground_truth/bad", numbers(3), ".png")


def btad(pen: Pen) -> None:
    pen.images("train/ok", 4, ending=".bmp")
    pen.images("test/ok", 2, ending=".bmp")
    pen.images("test/ko", 3, ending=".bmp")
    pen.masks("ground_truth/ko", numbers(3), ".png")


def mpdd(pen: Pen) -> None:
    pen.images("train/good", 4)
    pen.images("test/good", 2)
    for kind, count in (("hole", 2), ("scratches", 3)):
        pen.images(f"test/{kind}", count)
        pen.masks(f"ground_truth/{kind}", numbers(count))


def ksdd(pen: Pen) -> None:
    for part in range(3):
        for image in range(4):
            pen.image(f"kos{part + 1:02d}/Part{image}.jpg")
            pen.mask(f"kos{part + 1:02d}/Part{image}_label.bmp", 255 * (image == part))


def ksdd2(pen: Pen) -> None:
    for split, first, count, defects in (("train", 10000, 5, 2), ("test", 20000, 4, 1)):
        for at in range(count):
            pen.image(f"{split}/{first + at}.png")
            pen.mask(f"{split}/{first + at}_GT.png", 255 * (at < defects))


def realiad(pen: Pen) -> None:
    rows: dict[str, list[dict[str, str | None]]] = {"train": [], "test": []}

    def add(split: str, kind: str, folder: str, *, marked: bool) -> None:
        for view in (1, 2):
            name = f"{folder}/plug_{kind}_C{view}_2023.jpg"
            pen.image(f"realiad_1024/plug/{name}")
            mask = name.replace(".jpg", ".png") if marked and view == 1 else None
            if mask:
                pen.mask(f"realiad_1024/plug/{mask}")
            rows[split].append(
                {"category": "plug", "anomaly_class": kind, "image_path": name, "mask_path": mask}
            )

    for sample in range(3):
        add("train", "OK", f"OK/S{sample:04d}", marked=False)
    add("test", "OK", "OK/S0003", marked=False)
    add("test", "AK", "NG/AK/S0004", marked=True)
    meta = {"prefix": "plug/", "normal_class": "OK", "pre_transform": "none"}
    pen.text("realiad_jsons/plug.json", json.dumps({"meta": meta, **rows}))


def dagm(pen: Pen) -> None:
    for split, first in (("Train", 1), ("Test", 11)):
        pen.images(split, 5, first=first, ending=".PNG")
        pen.masks(f"{split}/Label", numbers(2, first), "_label.PNG")
        pen.text(f"{split}/Label/Labels.txt", "1\n")


def good_crack_mask(pen: Pen) -> None:
    pen.images("good", 5)
    pen.images("crack", 3)
    pen.masks("mask/crack", numbers(3), ".png")


def anomalib_folder(pen: Pen) -> None:
    pen.images("normal_dir", 4)
    pen.images("normal_test_dir", 2)
    pen.images("abnormal_dir", 3)
    pen.masks("mask_dir", numbers(3), ".png")


def images_and_masks_in_classes(pen: Pen) -> None:
    pen.images("train/normal/images", 4)
    pen.images("test/normal/images", 2)
    pen.images("test/anomalous/images", 3)
    pen.masks("test/anomalous/masks", numbers(3), ".png")


def masks_beside(pen: Pen) -> None:
    pen.images("train/good", 4)
    pen.images("test/good", 2)
    pen.images("test/scratch", 3)
    pen.masks("test/scratch", numbers(3))


def same_name(pen: Pen) -> None:
    pen.images("train/good", 4, ending=".jpg")
    pen.images("test/good", 2, ending=".jpg")
    pen.images("test/scratch", 3, ending=".jpg")
    pen.masks("test/scratch", numbers(3), ".png")


def several_masks(pen: Pen) -> None:
    pen.images("train/good", 4)
    pen.images("test/good", 2)
    pen.images("test/scratch", 2)
    for part in (1, 2):
        pen.masks("ground_truth/scratch", numbers(2), f"_mask_{part}.png")


def masks_before(pen: Pen) -> None:
    pen.images("TRAIN/GOOD", 4, ending=".PNG")
    pen.images("TEST/GOOD", 2, ending=".PNG")
    pen.images("TEST/Scratch", 3, ending=".JPG")
    for stem in numbers(3):
        pen.mask(f"GROUND_TRUTH/Scratch/MASK_{stem}.PNG")


def classes_above_splits(pen: Pen) -> None:
    pen.images("ok/train", 4)
    pen.images("ok/test", 2, first=10)
    pen.images("nok/test", 3, first=20)
    pen.masks("masks/nok/test", numbers(3, 20), ".png")


def images_and_masks(pen: Pen) -> None:
    for split, goods in (("train", 4), ("test", 2)):
        pen.images(f"{split}/images", goods + 1)
        for at in range(goods + 1):
            pen.mask(f"{split}/masks/{at:03d}.png", 255 * (at == goods and split == "test"))


BOX = "0 0.4 0.4 0.3 0.2\n"
OUTLINE = "1 0.25 0.25 0.6 0.25 0.6 0.5 0.25 0.5\n"
NAMES = "names:\n  0: crack\n  1: hole\n"


def yolo_boxes(pen: Pen) -> None:
    for split, goods in (("train", 4), ("val", 2)):
        pen.images(f"images/{split}", goods + 2)
        for at in range(goods + 2):
            pen.text(f"labels/{split}/{at:03d}.txt", BOX if at >= goods and split == "val" else "")
    pen.text("data.yaml", "train: images/train\nval: images/val\n" + NAMES)


def yolo_outlines(pen: Pen) -> None:
    for split, goods in (("train", 4), ("valid", 2)):
        pen.images(f"{split}/images", goods + 1)
        for at in range(goods + 1):
            pen.text(f"{split}/labels/{at:03d}.txt", OUTLINE if at == goods else "")
    pen.text("data.yaml", "train: ../train/images\nval: ../valid/images\n" + NAMES)


def yolo_beside(pen: Pen) -> None:
    pen.images(".", 5)
    for stem in numbers(2):
        pen.text(f"{stem}.txt", BOX)
    for stem in numbers(3, 2):
        pen.text(f"{stem}.txt", "")
    pen.text("classes.txt", "crack\n")


def coco_table(names: list[str], marked: Mapping[int, object]) -> str:
    images = [
        {"id": at, "file_name": name, "width": SIZE[1], "height": SIZE[0]} for at, name in enumerate(names)
    ]
    annotations = [
        {
            "id": at,
            "image_id": at,
            "category_id": 1,
            "bbox": [8, 6, 12, 6],
            "segmentation": shape,
            "iscrowd": 0,
        }
        for at, shape in marked.items()
    ]
    table = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "crack"}]}
    return json.dumps(table)


def coco(pen: Pen) -> None:
    outline = [[8, 6, 20, 6, 20, 12, 14, 13, 8, 12]]
    rle = {"size": list(SIZE), "counts": [0, 30, 738]}
    splits: tuple[tuple[str, int, dict[int, object]], ...] = (
        ("train", 4, {}),
        ("val", 2, {2: outline, 3: rle}),
    )
    for split, goods, marked in splits:
        names = pen.images(f"{split}2017", goods + len(marked))
        own = [Path(name).name for name in names]
        pen.text(f"annotations/instances_{split}2017.json", coco_table(own, marked))


def coco_boxes(pen: Pen) -> None:
    splits: tuple[tuple[str, int, dict[int, object]], ...] = (("train", 4, {}), ("test", 2, {2: []}))
    for split, goods, marked in splits:
        names = pen.images(split, goods + len(marked))
        pen.text(f"{split}/_annotations.coco.json", coco_table([Path(n).name for n in names], marked))


def sft(pen: Pen) -> None:
    for split, kinds in (("train", {"good": 4, "bent": 1}), ("val", {"good": 2, "bent": 2})):
        lines = []
        for kind, count in kinds.items():
            folder = "train" if (split, kind) == ("train", "good") else "test"
            for name in pen.images(f"images/nut/{folder}/{kind}", count, 5 * (split == "val")):
                label = int(kind != "good")
                lines.append(json.dumps({"image": name, "label": label, "kind": kind, "category": "nut"}))
        pen.text(f"{split}.jsonl", "\n".join(lines) + "\n")
    pen.images("calibration/nut/good", 2)


@dataclass(frozen=True)
class Tree:
    """One layout: how to draw it, the data set's folder below the root, and what must be read."""

    title: str
    draw: Callable[[Pen], None]
    layout: str
    counts: Counts
    masks: int = 0
    boxes: int = 0
    folder: str = "."
    warnings: tuple[str, ...] = ()

    def make(self, root: Path) -> Path:
        self.draw(Pen(root))
        return root / self.folder

    @property
    def goods(self) -> int:
        return sum(kinds.get("good", 0) for kinds in self.counts.values())

    @property
    def defects(self) -> int:
        return sum(n for kinds in self.counts.values() for kind, n in kinds.items() if kind != "good")


def _set(train: int, good: int, **defects: int) -> Counts:
    return {"train": {"good": train}, "test": {"good": good, **defects}}


_NO_SPLIT = ("no-train-goods",)
_NO_LABEL = ("unlabelled", "unlabelled")
_ALL: Counts = {"all": {"good": 5, "crack": 3}}
TREES = (
    Tree("MVTec AD", mvtec, "mvtec", _set(4, 2, bent=3, label=2), 5),
    Tree(
        "MVTec AD 2", ad2, "mvtec", {**_set(4, 2, bad=3), "val": {"good": 2}}, 3, warnings=("unlabelled",) * 2
    ),
    Tree(
        "MVTec LOCO",
        loco,
        "mvtec",
        {**_set(4, 2, logical_anomalies=2, structural_anomalies=2), "val": {"good": 2}},
        4,
    ),
    Tree(
        "MVTec 3D-AD (its colour images)",
        mvtec_3d,
        "mvtec",
        {**_set(4, 2, hole=2), "val": {"good": 1}},
        2,
        warnings=("no-class",) * 4,
    ),
    Tree(
        "instruction data of `saec data sft`",
        sft,
        "sft",
        {"train": {"good": 4, "bent": 1}, "val": {"good": 2, "bent": 2}},
    ),
    Tree("VisA as published", visa, "visa", _set(3, 2, anomaly=2), 2, folder="candle"),
    Tree(
        "one category of VisA, without the split table",
        visa_category,
        "visa",
        {"all": {"good": 5, "melt,chip": 2}},
        2,
        folder="candle",
        warnings=_NO_SPLIT,
    ),
    Tree("VisA as converted", visa_converted, "mvtec", _set(4, 2, bad=3), 3),
    Tree("BTAD", btad, "mvtec", _set(4, 2, ko=3), 3),
    Tree("MPDD", mpdd, "mvtec", _set(4, 2, hole=2, scratches=3), 5),
    Tree("KolektorSDD", ksdd, "ksdd", {"all": {"good": 9, "defect": 3}}, 3, warnings=_NO_SPLIT),
    Tree(
        "KolektorSDD2",
        ksdd2,
        "ksdd2",
        {"train": {"good": 3, "defect": 2}, "test": {"good": 3, "defect": 1}},
        3,
    ),
    Tree("Real-IAD", realiad, "realiad", _set(6, 3, AK=1), 1, folder="realiad_1024/plug"),
    Tree(
        "DAGM 2007",
        dagm,
        "marked",
        {"train": {"good": 3, "defect": 2}, "test": {"good": 3, "defect": 2}},
        4,
    ),
    Tree(
        "`good/ crack/ mask/`",
        good_crack_mask,
        "folders",
        {"all": {"good": 5, "crack": 3}},
        3,
        warnings=_NO_SPLIT,
    ),
    Tree(
        "anomalib's `normal_dir`, `abnormal_dir`, `normal_test_dir`, `mask_dir`",
        anomalib_folder,
        "folders",
        _set(4, 2, abnormal_dir=3),
        3,
    ),
    Tree("`CLASS/images`, `CLASS/masks`", images_and_masks_in_classes, "folders", _set(4, 2, anomalous=3), 3),
    Tree("masks beside the images: `000_mask.png`", masks_beside, "mvtec", _set(4, 2, scratch=3), 3),
    Tree("masks of the same name: `000.jpg`, `000.png`", same_name, "mvtec", _set(4, 2, scratch=3), 3),
    Tree("several masks an image: `000_mask_1.png`", several_masks, "mvtec", _set(4, 2, scratch=2), 2),
    Tree("capitals, `MASK_000.PNG` for `000.JPG`", masks_before, "mvtec", _set(4, 2, Scratch=3), 3),
    Tree("classes above the splits: `ok/train`", classes_above_splits, "folders", _set(4, 2, nok=3), 3),
    Tree("`images/` and `masks/`, empty for goods", images_and_masks, "marked", _set(5, 2, defect=1), 1),
    Tree(
        "YOLO boxes (Ultralytics)",
        yolo_boxes,
        "yolo",
        {"train": {"good": 6}, "val": {"good": 2, "crack": 2}},
        boxes=2,
    ),
    Tree(
        "YOLO outlines (Roboflow)",
        yolo_outlines,
        "yolo",
        {"train": {"good": 4, "hole": 1}, "val": {"good": 2, "hole": 1}},
        2,
    ),
    Tree(
        "YOLO labels beside the images (LabelImg)",
        yolo_beside,
        "yolo",
        {"all": {"good": 3, "crack": 2}},
        boxes=2,
        warnings=_NO_SPLIT,
    ),
    Tree("COCO outlines and RLE", coco, "coco", {"train": {"good": 4}, "val": {"good": 2, "crack": 2}}, 2),
    Tree("COCO boxes (Roboflow)", coco_boxes, "coco", _set(4, 2, crack=1), boxes=1),
)
