"""Folders of classes: MVTec AD, AD 2, LOCO, 3D, BTAD, MPDD, VisA as converted, anomalib's and plain folders.

A path says split, class and whether a file is an image or a mask; the order of its folders does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from saec.data.faults import Fault
from saec.data.images.file_names import find_images, subfolders
from saec.data.items import Item, Split
from saec.data.layouts.folder_names import means_defect, means_good, means_test_goods, role_of, split_of
from saec.data.layouts.image_roles import Placed, sort_files
from saec.data.layouts.layout_reading import Choice, LayoutReading, Saturation
from saec.data.layouts.mask_assignment import assign_masks
from saec.decoding import decode
from saec.errors import DataError
from saec.texts import read_text
from saec.types import DEFECT, GOOD, Mask

DEEP = 3
"""Levels of folders in which classes are looked for."""
LOCO_FILE = "defects_config.json"


class Tree:
    """Class folders, with splits or without."""

    listed = False

    def __init__(self, name: str, looks: str, *, typed: bool) -> None:
        self.name, self.looks, self._typed = name, looks, typed

    def found(self, root: Path) -> bool:
        classes = list(class_folders(root))
        names = {folder.name for _, folder in classes}
        if not any(map(means_good, names)) and not (
            any(split for split, _ in classes) and any(map(means_defect, names))
        ):
            return False
        typed = any(not means_good(n) and not means_defect(n) for n in names)
        return self._typed == ((typed or _has_masks(root)) and bool(split_folders(root)))

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        return read_tree(root, choice)

    def sets(self, root: Path) -> list[Path]:
        return []


def class_folders(root: Path) -> Iterator[tuple[Split, Path]]:
    """The folders of classes with their split, found by the names of the folders above them."""
    yield from _classes(root, "", DEEP)


def _classes(folder: Path, split: Split, deep: int) -> Iterator[tuple[Split, Path]]:
    for sub in subfolders(folder):
        role = role_of(sub.name)
        if role == "class" or (role == "maybe-mask" and split):
            yield split, sub
        elif role in ("split", "image") and deep > 1:
            yield from _classes(sub, split or split_of(sub.name) or "", deep - 1)


def _has_masks(root: Path) -> bool:
    return any(
        role_of(f.name) == "mask" for s in [root, *split_folders(root).values()] for f in subfolders(s)
    )


def split_folders(root: Path) -> dict[Split, Path]:
    """Split -> its folder, by name.

    Raises:
        DataError: two folders for one split.
    """
    found: dict[Split, Path] = {}
    for folder in subfolders(root):
        split = split_of(folder.name)
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"{root}: the folders {found[split].name} and {folder.name} both mean {split}",
                "keep one of them",
            )
        found[split] = folder
    return found


def read_tree(root: Path, choice: Choice) -> LayoutReading:
    """Images of class folders with their masks.

    Raises:
        DataError: no class folders, no folder of goods or defects, or two for the goods of one split.
    """
    split_folders(root)  # refuses two for one split
    files = sort_files(root, find_images(root))
    images = _test_goods_apart([f for f in files if f.what == "image" and f.classes])
    _check_classes(root, images, files, choice)
    masks = [f for f in files if f.what == "mask"]
    assigned = assign_masks(images, masks, lambda f: means_good(f.classes[0], choice.good))
    items = [_item(f, assigned.of(f.path), choice) for f in images]
    items.sort(key=lambda i: (i.split, i.path.relative_to(root).as_posix()))
    orphans = [_orphan(path) for path in assigned.orphans]
    aside = frozenset(f.path for f in files if f.what != "image")
    faults = [*assigned.faults, *orphans, *_passed_over(root, files)]
    return LayoutReading(items=items, aside=aside, faults=faults, saturations=read_saturations(root))


def _test_goods_apart(images: list[Placed]) -> list[Placed]:
    """anomalib's ``normal_test``: where it stands, ``normal`` is fitted on and the rest is judged."""
    if any(f.split for f in images) or not any(means_test_goods(f.classes[0]) for f in images):
        return images

    def split(name: str) -> Split:
        return "train" if means_good(name) and not means_test_goods(name) else "test"

    return [msgspec.structs.replace(f, split=split(f.classes[0])) for f in images]


def _check_classes(root: Path, images: list[Placed], files: list[Placed], choice: Choice) -> None:
    names: dict[Split, dict[str, str]] = defaultdict(dict)
    for file in images:
        names[file.split].setdefault(file.classes[0].lower(), file.classes[0])
    for split, found in names.items():
        goods = sorted(name for name in found.values() if means_good(name, choice.good))
        if len(goods) > 1:
            where = split_folders(root).get(split, root)
            raise DataError(
                f"{where}: the folders {' and '.join(goods)} both mean good",
                "keep one folder of good images in each split",
            )
    every = {name for found in names.values() for name in found.values()}
    if any(means_good(n, choice.good) or means_defect(n) for n in every):
        return
    if not every and any(f.what == "image" for f in files):
        raise DataError(f"{root} holds images without class folders", _no_goods(root, sorted(every)))
    raise DataError(
        f"{root}: no folder is named as good among {', '.join(sorted(every))}", _no_goods(root, sorted(every))
    )


def _no_goods(root: Path, classes: list[str]) -> str:
    example = classes[0] if classes else "NAME"
    return (
        'rename the folder of good images to "good", or say which it is, for example --layout '
        f"folders:good={example}"
    )


def _item(file: Placed, mask: Mask | None, choice: Choice) -> Item:
    first, *rest = file.classes
    good = means_good(first, choice.good)
    kind = rest[0] if means_defect(first) and rest else first
    return Item(
        path=file.path,
        label=GOOD if good else DEFECT,
        split=file.split,
        kind="good" if good else kind,
        mask=mask,
    )


def _orphan(path: Path) -> Fault:
    remedy = "restore the image or remove the mask"
    return Fault("warning", "mask-orphan", [str(path)], "this mask has no image", remedy)


def _passed_over(root: Path, files: list[Placed]) -> Iterator[Fault]:
    """One fault for each folder of images that have no role: nothing is left out without a word."""
    folders: dict[tuple[Path, str], int] = defaultdict(int)
    for file in files:
        if file.what in ("unlabelled", "no-class"):
            parts = file.path.relative_to(root).parts[:-1]
            at = next(n for n, name in enumerate(parts) if role_of(name) == file.what)
            folders[root.joinpath(*parts[: at + 1]), file.what] += 1
    for (folder, what), count in folders.items():
        message, remedy = _WHY[what]
        yield Fault("warning", what, [str(folder)], f"{count} images {message}", remedy)


_WHY = {
    "unlabelled": (
        "without a label are left out",
        "judge them with `saec inspect`; to measure on them, sort them into classes",
    ),
    "no-class": (
        "are left out: the name of their folder does not look like a class of parts",
        "if the folder is a class, rename it",
    ),
}


def read_saturations(root: Path) -> tuple[Saturation, ...]:
    """MVTec LOCO's table of saturation thresholds, where one lies there.

    Raises:
        DataError: it is damaged.
    """
    path = root / LOCO_FILE
    if not path.is_file():
        return ()
    try:
        return decode(read_text(path, error=DataError), tuple[Saturation, ...])
    except msgspec.DecodeError as e:
        raise DataError(f"{path}: {e}", "restore MVTec LOCO's own file") from e
