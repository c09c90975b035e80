"""Images told good from defect by their masks: KolektorSDD 1 and 2, DAGM, images/ and masks/."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from saec.data.faults import Fault
from saec.data.images.file_names import find_images, is_picture, subfolders
from saec.data.images.pixels import read_marks
from saec.data.items import Item
from saec.data.layouts.folder_names import image_stems, mask_name, means_defect, means_good, role_of
from saec.data.layouts.image_roles import Placed, sort_files
from saec.data.layouts.layout_reading import Choice, LayoutReading
from saec.data.layouts.mask_assignment import Assigned, assign_masks
from saec.data.layouts.tree import class_folders, split_folders
from saec.data.masks import looks_like_mask
from saec.errors import DataError
from saec.types import DEFECT, GOOD, Mask

_KOS = re.compile(r"(?i)^kos\d+$")
_DAGM_LIST = "labels.txt"


class Marked:
    """Images whose masks alone tell their labels."""

    listed = False

    def __init__(
        self, name: str, looks: str, found: Callable[[Path], bool], part: Callable[[Path], str] | None = None
    ) -> None:
        self.name, self.looks, self._found, self._part = name, looks, found, part

    def found(self, root: Path) -> bool:
        return self._found(root)

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        return read_marked(root, choice, self._part)

    def sets(self, root: Path) -> list[Path]:
        return []


def is_ksdd2(root: Path) -> bool:
    """Splits with ``NNNNN_GT.png`` beside the images."""
    return any(p.stem.endswith("_GT") for folder in split_folders(root).values() for p in folder.iterdir())


def is_ksdd(root: Path) -> bool:
    """``kosNN`` folders with ``PartN_label.bmp`` beside ``PartN.jpg``."""
    commutators = [folder for folder in subfolders(root) if _KOS.match(folder.name)]
    return bool(commutators) and any(_named_masks(folder) for folder in commutators[:3])


def ksdd_part(path: Path) -> str:
    """One folder is one commutator."""
    return path.parent.name


def is_marked(root: Path) -> bool:
    """No classes; masks beside the images of the root or of its splits, or in a folder of masks there."""
    if any(means_good(f.name) or means_defect(f.name) for _, f in class_folders(root)):
        return False
    tops = [root, *split_folders(root).values()]
    return any(_pictures(top) and (_named_masks(top) or _mask_folder(top)) for top in tops) or any(
        _mask_folder(top) and any(role_of(f.name) == "image" and _pictures(f) for f in subfolders(top))
        for top in tops
    )


def _pictures(folder: Path) -> bool:
    return any(is_picture(p.name) for p in folder.iterdir() if not p.is_dir())


def _named_masks(folder: Path) -> bool:
    files = [p for p in folder.iterdir() if is_picture(p.name)]
    stems = {p.stem.lower() for p in files}
    beside = [p for p in files if mask_name(p) and stems.intersection(image_stems(p.stem)[1:])]
    return any(mask_name(p) == "sure" for p in beside) or any(looks_like_mask(p) for p in beside[:1])


def _mask_folder(folder: Path) -> bool:
    for sub in subfolders(folder):
        role, files = role_of(sub.name), [p for p in sorted(sub.iterdir()) if is_picture(p.name)]
        if files and (role == "mask" or (role == "maybe-mask" and looks_like_mask(files[0]))):
            return True
    return False


def read_marked(root: Path, choice: Choice, part: Callable[[Path], str] | None = None) -> LayoutReading:
    """Decodes every mask, as only that tells good from defect.

    Raises:
        DataError: an image without a mask where goods have empty ones, or a mask in doubt.
        ImageError: a mask that cannot be read.
    """
    files = sort_files(root, find_images(root))
    images = [f for f in files if f.what == "image"]
    assigned = assign_masks(images, [f for f in files if f.what == "mask"])
    marked = {f.path: _marks(assigned, f.path) for f in images}
    unmarked = _unmarked(root, images, marked, choice)
    items = []
    for file in images:
        marks = marked[file.path]
        if marks is None and unmarked == "out":
            continue
        items.append(
            Item(
                path=file.path,
                label=DEFECT if marks else GOOD,
                split=file.split,
                kind="defect" if marks else "good",
                mask=assigned.of(file.path) if marks else None,
                part=part(file.path) if part else "",
            )
        )
    orphans = [
        Fault(
            "warning",
            "mask-orphan",
            [str(p)],
            "this mask has no image",
            "restore the image or remove the mask",
        )
        for p in assigned.orphans
    ]
    aside = frozenset({f.path for f in files} - {i.path for i in items})
    return LayoutReading(items=items, aside=aside, faults=[*assigned.faults, *orphans])


def _marks(assigned: Assigned, image: Path) -> bool | None:
    """Whether the masks of an image mark anything; None without a mask."""
    mask: Mask | None = assigned.of(image)
    if mask is None:
        return None
    found = False
    for file in mask.files:
        marks = read_marks(file)
        if marks.doubt and (marks.where.all() or not marks.inverted):  # inverted, too, some marks a defect
            raise DataError(f"{file}: {marks.doubt}, so the label of the image is unclear", marks.remedy)
        found = found or bool(marks.where.any())
    return found


def _unmarked(root: Path, images: list[Placed], marked: dict[Path, bool | None], choice: Choice) -> str:
    """What an image without a mask is: nobody may guess it."""
    without = [f.path for f in images if marked[f.path] is None]
    if not without or choice.unmarked:
        return choice.unmarked
    if any(marks is False for marks in marked.values()):
        path = without[0]
        raise DataError(
            f"{path} has no mask {path.stem}_GT.png",
            "restore the mask, or remove the image; or give --layout marked:unmarked=good if images without "
            "a mask are good, or marked:unmarked=out to leave them out",
        )
    if _lists_goods(root):
        return "good"
    raise DataError(
        f"{root}: {len(without)} of {len(images)} images have no mask, such as {without[0].name}; "
        "they may be good or unlabelled",
        "give --layout marked:unmarked=good if they are good, or marked:unmarked=out to leave them out",
    )


def _lists_goods(root: Path) -> bool:
    """DAGM 2007: its list beside the masks says that every other image is good."""
    tops = [root, *split_folders(root).values()]
    folders = [f for top in tops for f in subfolders(top) if role_of(f.name) == "maybe-mask"]
    return any(p.name.lower() == _DAGM_LIST for f in folders for p in f.iterdir())


def refuse_positive(root: Path) -> None:
    """Stop at ``positive`` and ``negative``: they mean a crack to one and a good part to another.

    Raises:
        DataError: it shows both readings.
    """
    names = {folder.name.lower(): folder.name for _, folder in class_folders(root)}
    if {"positive", "negative"} <= set(names):
        positive, negative = names["positive"], names["negative"]
        raise DataError(
            f"{root}: the folder {positive} may hold defects, or parts that passed",
            f"if {positive} holds defects, give --layout folders:good={negative}, else --layout "
            f"folders:good={positive}",
        )
