"""How data sets lie on disk, and the items that each layout holds.

| layout | what it looks like |
|---|---|
| mvtec | ``train/good``, ``test/good``, ``test/<type>``, masks ``ground_truth/<type>/NAME_mask.png`` |
| folders | ``{train,test,val}/{good,defect}``, or ``{good,defect}`` alone; masks as in mvtec, if any |
| ksdd2 | ``{train,test}/NNNNN.png`` with ``NNNNN_GT.png``; a defect is an image whose mask is not empty |
| visa | ``split_csv/1cls.csv`` (object, split, label, image, mask) beside the categories |
| images | any folder of images; labels unknown |
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from saec.data.files import find_images, subfolders
from saec.data.images import read_mask
from saec.data.items import SPLITS, Item, Mask, Split, is_defect_name, is_good_name
from saec.errors import DataError
from saec.verdict import DEFECT, GOOD

GROUND_TRUTH = "ground_truth"
MASK_ENDINGS = ("_mask", "_GT", "_gt")

EXPECTED = (
    "expected one of: train/good + test/<type> (mvtec); {train,test,val}/{good,defect} or {good,defect} "
    "(folders); train|test/NNNNN.png + NNNNN_GT.png (ksdd2); split_csv/1cls.csv (visa); or, for unlabelled "
    "images, the layout images"
)


def detect(root: Path) -> str | None:
    """The labelled layout of a folder, or None."""
    if visa_csv(root) is not None:
        return "visa"
    splits = split_folders(root)
    if any(_ground_truths(folder) for folder in splits.values()):
        return "ksdd2"
    names = [f.name for folder in splits.values() for f in subfolders(folder)]
    if not splits:
        names = [f.name for f in subfolders(root) if f.name != GROUND_TRUTH]
        plain = any(map(is_good_name, names)) and all(is_good_name(n) or is_defect_name(n) for n in names)
        return "folders" if plain else None
    if not any(is_good_name(n) or is_defect_name(n) for n in names):
        return None
    typed = not all(is_good_name(n) or is_defect_name(n) for n in names)
    return "mvtec" if typed or (root / GROUND_TRUTH).is_dir() else "folders"


def read_tree(root: Path) -> list[Item]:
    """Items of the layouts mvtec and folders.

    Raises:
        DataError: no class folders, no folder of goods or defects, or two for the goods of one split.
    """
    splits = split_folders(root) or {"": root}
    if not any(
        is_good_name(f.name) or is_defect_name(f.name) for s in splits.values() for f in subfolders(s)
    ):
        raise DataError(f"{root}: no folder of goods; {describe(root)}", EXPECTED)
    masks = _Masks(root / GROUND_TRUTH, next(s for s in ("test", "val", "train", "") if s in splits))
    return [i for split, folder in sorted(splits.items()) for i in _read_classes(folder, split, masks)]


def _read_classes(folder: Path, split: Split, masks: _Masks) -> Iterator[Item]:
    classes = [f for f in subfolders(folder) if f.name != GROUND_TRUTH]
    if not classes and find_images(folder):
        raise DataError(f"{folder}: images without class folders", EXPECTED)
    goods = [f.name for f in classes if is_good_name(f.name)]
    if len(goods) > 1:
        raise DataError(
            f"{folder}: {' and '.join(goods)} both mean good", "keep one folder of goods in each split"
        )
    for sub in classes:
        good = is_good_name(sub.name)
        for path in find_images(sub):
            within = path.relative_to(folder)
            typed = is_defect_name(sub.name) and len(within.parts) > 2
            yield Item(
                path=path,
                label=GOOD if good else DEFECT,
                split=split,
                kind="good" if good else within.parts[1] if typed else sub.name,
                mask=None if good else _mask(masks.of(folder.name, split, within)),
            )


def _mask(file: Path | None) -> Mask | None:
    return None if file is None else Mask(files=(file,))


class _Masks:
    """Masks under ``ground_truth/[<split>/]<type>/``; without a split folder they belong to the hold-out."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        self.found: dict[str, Path] = {}
        for path in find_images(folder) if folder.is_dir() else []:
            self.found[(path.parent.relative_to(folder) / mask_stem(path)).as_posix()] = path

    def of(self, split_folder: str, split: str, within: Path) -> Path | None:
        name = within.with_suffix("").as_posix()
        mask = self.found.get(f"{split_folder}/{name}")
        return self.found.get(name) if mask is None and split == self.owner else mask


def mask_stem(path: Path) -> str:
    """The name of the image that a mask belongs to: without suffix and without ``_mask`` or ``_GT``."""
    for ending in MASK_ENDINGS:
        if path.stem.endswith(ending):
            return path.stem.removesuffix(ending)
    return path.stem


def read_ksdd2(root: Path) -> list[Item]:
    """Items of KolektorSDD2; decodes every mask, as only that tells good from defect.

    Raises:
        DataError: an image without a mask.
        ImageError: a mask that cannot be read.
    """
    items = []
    for split, folder in sorted(split_folders(root).items()):
        masks = {mask_stem(p): p for p in _ground_truths(folder)}
        for path in find_images(folder):
            if path.stem.endswith("_GT"):
                continue
            if path.stem not in masks:
                raise DataError(f"{path}: no mask {path.stem}_GT.png", "restore the mask or remove the image")
            defect = bool(read_mask(masks[path.stem]).any())
            items.append(
                Item(
                    path=path,
                    label=DEFECT if defect else GOOD,
                    split=split,
                    kind="defect" if defect else "good",
                    mask=_mask(masks[path.stem]) if defect else None,
                )
            )
    return items


def _ground_truths(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.stem.endswith("_GT"))


def visa_csv(root: Path) -> Path | None:
    """VisA's split table for a root, or for one of its categories."""
    for folder in (root, root.parent):
        table = folder / "split_csv" / "1cls.csv"
        if table.is_file() and (folder == root or root.name in visa_objects(table)):
            return table
    return None


def visa_objects(table: Path) -> list[str]:
    return sorted({row["object"] for row in _visa_rows(table)})


def read_visa(root: Path) -> list[Item]:
    """Items of one VisA category, or of all when ``root`` is VisA's own root.

    Raises:
        DataError: no table, or a row that is not of its form.
    """
    table = visa_csv(root)
    if table is None:
        raise DataError(f"{root}: no split_csv/1cls.csv here or beside it", EXPECTED)
    base = table.parent.parent
    items = []
    for row in _visa_rows(table):
        if base != root and row["object"] != root.name:
            continue
        split = SPLITS.get(row["split"].lower())
        if split is None or row["label"] not in ("normal", "anomaly"):
            raise DataError(f"{table}: split {row['split']!r}, label {row['label']!r}", "restore the table")
        defect = row["label"] == "anomaly"
        items.append(
            Item(
                path=base / row["image"],
                label=DEFECT if defect else GOOD,
                split=split,
                kind="anomaly" if defect else "good",
                mask=_mask(base / row["mask"]) if row["mask"] else None,
            )
        )
    return sorted(items, key=lambda i: i.path.as_posix())


def _visa_rows(table: Path) -> list[dict[str, str]]:
    columns = ("object", "split", "label", "image", "mask")
    with table.open(newline="", encoding="utf-8-sig") as f:
        reader = csv.DictReader(f)
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise DataError(f"{table}: no column {', '.join(missing)}", f"expected {','.join(columns)}")
        return [{c: row[c] or "" for c in columns} for row in reader]


def read_images(root: Path) -> list[Item]:
    """Items without labels: every image under a folder, or a single file."""
    return [Item(path=p) for p in find_images(root)]


def split_folders(root: Path) -> dict[Split, Path]:
    """Split -> its folder, by name.

    Raises:
        DataError: two folders for one split.
    """
    found: dict[Split, Path] = {}
    for folder in subfolders(root):
        split = SPLITS.get(folder.name.lower())
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"{root}: {found[split].name} and {folder.name} are both {split}", "keep one of them"
            )
        found[split] = folder
    return found


def describe(root: Path) -> str:
    """What a folder holds, for errors: its folders two deep, and how many images lie in it directly."""
    folders = []
    for sub in subfolders(root)[:6]:
        inner = [f.name for f in subfolders(sub)]
        shown = ",".join(inner[:4]) + (",..." if len(inner) > 4 else "")
        folders.append(f"{sub.name}/{{{shown}}}" if inner else f"{sub.name}/")
    more = len(subfolders(root)) - len(folders)
    text = ", ".join(folders) + (f" and {more} more folders" if more > 0 else "")
    return f"seen: {text or 'no folders'}; {len(find_images(root))} images in all"
