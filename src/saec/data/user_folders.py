"""Folders of images that a user hands over as goods, or as defects: taken for that if nothing says otherwise.

A folder of defects that is a whole hold-out, or a folder of its goods, would calibrate a line on wrong labels
without a word. So names, layouts and the data set around the folder are asked first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from saec.data import layouts
from saec.data.dataset import Dataset, open_dataset
from saec.data.items import SPLITS, Item
from saec.data.layouts.folder_names import means_defect, means_good
from saec.data.layouts.unlabelled import find_pictures
from saec.data.parts import PartIds
from saec.errors import DataError
from saec.types import DEFECT, GOOD

_WORDS = {GOOD: "good", DEFECT: "defective"}
_LEVELS = 3
"""Folders above a plain one in which its data set is looked for."""


def pictures_of(folder: Path, label: int) -> list[Path]:
    """The images of a folder whose images all have one label, as its user says.

    Args:
        folder: a folder with images at any depth, or one image.
        label: GOOD or DEFECT.

    Raises:
        DataError: no such folder, no image in it, or images of the other label: by a folder's name, by the
            folder's own layout, or in the data set that it lies in.
    """
    pictures = find_pictures(folder)
    if not pictures:
        raise DataError(f"{folder} holds no images", f"name a folder of {_WORDS[label]} images")
    for wrong, why in (
        (_by_name(folder, pictures, label), "by the name of their folder"),
        (_by_layout(folder, pictures, label), f"in the data set {folder}"),
        (_by_enclosing(folder, pictures, label), "in the data set around it"),
    ):
        if wrong:
            raise DataError(
                f"{folder}: {len(wrong)} of its {len(pictures)} images are {_WORDS[1 - label]} {why}, "
                f"such as {wrong[0]}",
                f"name a folder that holds only {_WORDS[label]} images",
            )
    return pictures


def goods_set(folders: Sequence[Path], parts: PartIds | None = None) -> Dataset:
    """A data set of goods to fit on, of folders that hold nothing else.

    Raises:
        DataError: see `pictures_of`.
    """
    found = dict.fromkeys(path for folder in folders for path in pictures_of(folder, GOOD))
    items = [_good(path, parts) for path in sorted(found)]
    root = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    return Dataset(name=root.name, root=root, layout="images", items=items)


def with_goods(dataset: Dataset, folders: Sequence[Path], parts: PartIds | None = None) -> Dataset:
    """The data set with the goods of these folders as its train goods, in place of its own.

    What has no split is to be judged then, so that a good among it is found to be in two roles.

    Raises:
        DataError: see `pictures_of`.
    """
    kept = [i for i in dataset.items if i.split != "train" or i.label == DEFECT]
    held = [msgspec.structs.replace(item, split=item.split or "test") for item in kept]
    return msgspec.structs.replace(dataset, items=[*goods_set(folders, parts).items, *held])


def _good(path: Path, parts: PartIds | None) -> Item:
    part, lot = parts.of(path) if parts else ("", "")
    return Item(path=path, label=GOOD, split="train", kind="good", part=part, lot=lot)


def enclosing(folder: Path) -> Path | None:
    """The nearest folder, this one or one above it, that is a labelled data set and not only its split."""
    above = [folder, *folder.parents][: 1 + _LEVELS]
    return next((f for f in above if not is_split(f) and layouts.is_data_set(f)), None)


def is_split(folder: Path) -> bool:
    """Whether a folder is by its name one split of a data set."""
    return folder.name.lower() in SPLITS


def _by_name(folder: Path, pictures: Sequence[Path], label: int) -> list[Path]:
    other = means_good if label == DEFECT else means_defect
    if folder.is_dir() and other(folder.resolve().name):
        return list(pictures)
    return [p for p in pictures if folder.is_dir() and any(map(other, p.relative_to(folder).parts[:-1]))]


def _by_layout(folder: Path, pictures: Sequence[Path], label: int) -> list[Path]:
    return _labelled_otherwise(folder, pictures, label) if layouts.is_data_set(folder) else []


def _by_enclosing(folder: Path, pictures: Sequence[Path], label: int) -> list[Path]:
    root = enclosing(folder.resolve().parent)
    return [] if root is None else _labelled_otherwise(root, pictures, label)


def _labelled_otherwise(root: Path, pictures: Sequence[Path], label: int) -> list[Path]:
    """Those that the data set knows with the other label; one that cannot be read says nothing."""
    try:
        items = open_dataset(root, strict=False).items
    except DataError:
        return []
    other = {item.path.resolve() for item in items if item.label == 1 - label}
    return [path for path in pictures if path.resolve() in other]
