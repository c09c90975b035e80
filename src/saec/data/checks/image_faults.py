"""`saec data check`: every fault of a data set, each with its remedy, found in one pass over the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.checks import set_faults as check_set
from saec.data.checks.set_faults import _SeenImage
from saec.data.copies import picture_hash, thumbnail
from saec.data.dataset import Dataset, categories, open_dataset
from saec.data.faults import Fault
from saec.data.images.file_names import RENAME, is_utf8, printable_path
from saec.data.images.pixels import decode_native, read_bytes
from saec.data.items import Item
from saec.data.masks import MaskError, mask_pixels
from saec.data.parts import PartIds
from saec.data.progress import ShowProgress, silent
from saec.errors import ImageError, SaecError
from saec.settings import DataConfig, FitConfig
from saec.types import DEFECT, GOOD, Image


class Checked(msgspec.Struct, frozen=True):
    """One data set's check.

    Attributes:
        counts: split -> kind -> number of images.
        faults: errors first.
        masks: images whose defect's pixels are known; ``boxes`` those that only have boxes about it.
    """

    name: str
    root: str
    layout: str
    counts: dict[str, dict[str, int]]
    faults: list[Fault]
    masks: int = 0
    boxes: int = 0

    def count(self, level: Literal["error", "warning"]) -> int:
        return sum(f.level == level for f in self.faults)


def check_root(
    root: Path,
    *,
    near: bool,
    layout: str = DataConfig().layout,
    parts: PartIds | None = None,
    bits: int = FitConfig().bits,
    progress: ShowProgress = silent,
) -> Iterator[Checked]:
    """Check a data set, or every category of a root; a folder that cannot be read at all is a fault, too.

    Args:
        root: a data set or a folder of data sets.
        near: also look for near-duplicates across roles.
        layout, parts: see `open_dataset`.
        bits: significant bits that 16-bit images are said to have.
        progress: wraps the walk over the images, for a progress bar.
    """
    try:
        folders = [root] if layout == "images" else categories(root)
    except SaecError as e:
        yield _unread(root, layout, e)
        return
    for folder in folders:
        try:
            data = open_dataset(folder, layout=layout, parts=parts, strict=False)
        except SaecError as e:
            yield _unread(folder, layout, e)
            continue
        yield check_dataset(data, bits=bits, near=near, progress=progress)


def _unread(folder: Path, layout: str, error: SaecError) -> Checked:
    shown = printable_path(folder)
    fault = Fault("error", "layout", [shown], printable_path(error.what), printable_path(error.remedy))
    return Checked(printable_path(folder.name), shown, layout, {}, [fault])


def check_dataset(
    data: Dataset,
    *,
    near: bool,
    bits: int = FitConfig().bits,
    progress: ShowProgress = silent,
) -> Checked:
    """Check one data set. Images are held one at a time; of each, a hash, a size and a thumbnail are kept."""
    faults: list[Fault] = list(data.faults)
    seen: list[_SeenImage] = []
    for item in progress(data.items, len(data.items)):
        record, found = examine(item)
        faults += found
        if record is not None:
            seen.append(record)
    faults += [
        Fault("error", "name", [str(item.path)], "its name is not valid UTF-8, so no log can hold it", RENAME)
        for item in data.items
        if not is_utf8(item.path)
    ]
    faults += check_set.examine_set(data, seen, bits=bits, near=near)
    counts: dict[str, dict[str, int]] = {}
    for item in data.items:
        kinds = counts.setdefault(item.split or "all", {})
        kinds[item.kind or "unlabelled"] = kinds.get(item.kind or "unlabelled", 0) + 1
    faults = [_relative(f, data.root) for f in faults]
    faults.sort(key=lambda f: (f.level, f.code))  # "error" sorts before "warning"
    known = [item.mask for item in data.items if item.mask is not None and item.label == DEFECT]
    boxes = sum(mask.boxes for mask in known)
    counts = {
        split: {printable_path(kind): n for kind, n in kinds.items()} for split, kinds in counts.items()
    }
    root = printable_path(data.root)
    return Checked(printable_path(data.name), root, data.layout, counts, faults, len(known) - boxes, boxes)


def examine(item: Item) -> tuple[_SeenImage | None, list[Fault]]:
    """What one image shows by itself: a record of it (None when it cannot be read) and its faults."""
    path = str(item.path)
    try:
        data = read_bytes(item.path)
        if not data:
            return None, [
                Fault("error", "empty-file", [path], "the file is empty", "copy the file again, or remove it")
            ]
        pixels = decode_native(data, item.path.name)
    except ImageError as e:
        return None, [Fault("error", "unreadable", [path], e.what, e.remedy)]
    faults = list(_examine_mask(item, (pixels.shape[0], pixels.shape[1])))
    if pixels.min() == pixels.max():
        message = f"every pixel has the value {pixels.min()}"
        faults.append(
            Fault("warning", "one-value", [path], message, "check the camera, and remove the image")
        )
    record = _SeenImage(
        item=item,
        sha=hashlib.sha256(data).hexdigest(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        deepest=int(pixels.max()) if pixels.dtype == np.uint16 else None,
        picture=picture_hash(pixels),
        thumbnail=thumbnail(_eight_bits(pixels)),
    )
    return record, faults


def _examine_mask(item: Item, shape: tuple[int, int]) -> Iterator[Fault]:
    if item.mask is None:
        return
    paths = [str(path) for path in (*item.mask.paths, item.path)]
    try:
        marked = bool(mask_pixels(item.mask, shape).any())
    except ImageError as e:
        yield Fault("error", "mask-unreadable", paths, e.what, e.remedy)
        return
    except MaskError as e:
        yield Fault("error", e.code, paths, e.what, e.remedy)
        return
    if marked and item.label == GOOD:
        remedy = "move the image to the defects, or remove the mask"
        yield Fault("error", "mask-of-good", paths, "this good image has a mask that marks a defect", remedy)
    if not marked and item.label == DEFECT and not item.mask.boxes:
        remedy = "mark the defect, or move the image to the good images"
        yield Fault("error", "mask-empty", paths, "the mask of this defect marks no pixel", remedy)


def _eight_bits(pixels: NDArray[Any]) -> Image:
    return np.asarray(pixels >> 8 if pixels.dtype == np.uint16 else pixels, np.uint8)


def _relative(fault: Fault, root: Path) -> Fault:
    paths = [Path(p).relative_to(root).as_posix() if Path(p).is_relative_to(root) else p for p in fault.paths]
    texts = {"message": printable_path(fault.message), "remedy": printable_path(fault.remedy)}
    return msgspec.structs.replace(fault, paths=[printable_path(p) for p in paths], **texts)
