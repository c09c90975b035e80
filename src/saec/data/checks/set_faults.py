"""Faults that only the whole data set shows: copies, parts in two roles, empty classes, odd sizes, strays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.copies import ONE_PICTURE, largest_distance
from saec.data.dataset import Dataset
from saec.data.faults import Fault
from saec.data.holdout import undivided
from saec.data.images.file_names import find_images
from saec.data.items import Item
from saec.data.layouts import LAYOUTS
from saec.data.layouts.tree import class_folders
from saec.types import DEFECT, GOOD

ODD_ASPECT = 1.1
"""An image is odd when its aspect ratio is this far from the median, as a factor."""
ODD_AREA = 1.5
"""An image is odd when its number of pixels is this far from the median, as a factor."""
NEAR = 0.25
"""A hold-out image is a near-duplicate when it is this much nearer to a train image than is usual."""


class _SeenImage(msgspec.Struct, frozen=True):
    """What is kept of an image: hashes of its bytes and of its pixels ("" unknown), size, largest value of a
    16-bit source, thumbnail."""

    item: Item
    sha: str
    height: int
    width: int
    deepest: int | None = None
    picture: str = ""
    thumbnail: NDArray[np.float32] | None = None


def examine_set(data: Dataset, seen: list[_SeenImage], *, bits: int, near: bool) -> Iterator[Fault]:
    """All faults of the set as a whole; see the functions below."""
    yield from duplicates(seen)
    yield from torn_parts(seen)
    yield from empty_classes(data)
    yield from odd_sizes(seen)
    yield from significant_bits(seen, bits)
    yield from strays(data)
    yield from unmasked(data)
    yield from one_picture(seen)
    if near:
        yield from near_duplicates(seen)
        yield from near_goods(seen)


def duplicates(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Files with the same picture: across roles or with two labels an error, within a role a warning."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for record in seen:
        groups[record.picture or record.sha].append(record.item)
    for items in groups.values():
        if len(items) < 2:
            continue
        paths = [str(i.path) for i in items]
        roles = sorted({i.split for i in items})
        if len({i.label for i in items}) > 1:
            yield Fault(
                "error",
                "two-labels",
                paths,
                "the same image is labelled good and defect",
                "keep the one with the right label",
            )
        elif len(roles) > 1:
            message = f"the same image is in {' and '.join(roles)}"
            yield Fault("error", "duplicate-across", paths, message, "remove it from all but one of them")
        else:
            remedy = "remove the copies; until then, cross-validation keeps them in one fold"
            yield Fault(
                "warning", "duplicate-within", paths, f"there are {len(items)} copies of one image", remedy
            )


def torn_parts(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Parts whose images stand in two roles."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for record in seen:
        if record.item.part:
            groups[record.item.part].append(record.item)
    for part, items in sorted(groups.items()):
        roles = sorted({i.split for i in items})
        if len(roles) > 1:
            paths = [str(next(i.path for i in items if i.split == role)) for role in roles]
            message = f"images of part {part} are in {' and '.join(roles)}"
            yield Fault("error", "part-across", paths, message, "move all images of the part to one of them")


def empty_classes(data: Dataset) -> Iterator[Fault]:
    """Class folders without images, a train split without goods, a hold-out without one of the classes."""
    root = str(data.root)
    if data.layout in ("mvtec", "folders"):
        for _, folder in class_folders(data.root):
            if not find_images(folder):
                yield Fault(
                    "error",
                    "empty-class",
                    [str(folder)],
                    "this class has no image",
                    "add images, or remove the folder",
                )
    if data.layout == "images":
        yield from unknown_classes(data)
        return
    if not data.select("train", GOOD):
        message = (
            "there are no good images to fit on: the data set has no train split"
            if not data.select("train")
            else "train holds no good images"
        )
        remedy = "put images of good parts into train/good, or name their folder with `saec fit --goods`"
        if undivided(data):
            message = "there are no splits, so `saec fit` draws a hold-out and the line remembers it"
            remedy = "to choose the hold-out yourself, sort the images into train and test"
        level: Literal["error", "warning"] = "error" if data.select("train") else "warning"
        yield Fault(level, "no-train-goods", [root], message, remedy)
    labels = {i.label for i in data.holdout()}
    for label, word in ((GOOD, "good"), (DEFECT, "defect")):
        if label not in labels:
            remedy = f"to measure a line, put images into test/{word}"
            yield Fault("warning", "one-class-holdout", [root], f"the hold-out has no {word} images", remedy)


def unknown_classes(data: Dataset) -> Iterator[Fault]:
    """Folders side by side may be classes; nobody can tell which of them is good."""
    classes = [folder for _, folder in class_folders(data.root)]
    if len(classes) > 1:
        names = " and ".join(folder.name for folder in classes[:3])
        message = f"the folders {names} may be classes, but none is known as good: labels are unknown"
        remedy = f"say which folder is good, for example --layout folders:good={classes[0].name}"
        yield Fault("warning", "classes-unknown", [str(folder) for folder in classes], message, remedy)


def odd_sizes(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Images whose aspect ratio or size is far from the set's median."""
    if not seen:
        return
    aspect = np.array([r.width / r.height for r in seen])
    area = np.array([r.width * r.height for r in seen], float)
    aspect_off = np.maximum(aspect / np.median(aspect), np.median(aspect) / aspect)
    area_off = np.maximum(area / np.median(area), np.median(area) / area)
    typical = seen[int(np.argmin(aspect_off * area_off))]
    usual = f"most are about {typical.width} x {typical.height}"
    for record, by_aspect, by_area in zip(seen, aspect_off, area_off, strict=True):
        message = f"{record.width} x {record.height} pixels, {usual}"
        path = [str(record.item.path)]
        if by_aspect > ODD_ASPECT:
            remedy = "crop it like the others, or fit a separate line for such images"
            yield Fault("warning", "odd-aspect", path, message, remedy)
        elif by_area > ODD_AREA:
            yield Fault("warning", "odd-size", path, message, "record it at the resolution of the others")


def significant_bits(seen: list[_SeenImage], bits: int) -> Iterator[Fault]:
    """16-bit images whose largest value does not go with the significant bits that they are said to have."""
    deep = [r for r in seen if r.deepest is not None]
    if not deep:
        return
    brightest = max(deep, key=lambda r: r.deepest or 0)
    found = max(8, (brightest.deepest or 0).bit_length())
    message = (
        f"the largest value of {len(deep)} 16-bit images is {brightest.deepest}, so they use {found} bits"
    )
    path = [str(brightest.item.path)]
    if found > bits:
        yield Fault("error", "bits", path, f"{message}, not {bits}", f"give --bits {found}")
    elif found <= bits - 2:
        yield Fault(
            "warning", "bits", path, f"{message}, not {bits}; they will look dark", f"give --bits {found}"
        )


def strays(data: Dataset) -> Iterator[Fault]:
    """Images that the layout passes over, where no table says which images there are."""
    if LAYOUTS[data.layout].listed:
        return
    used = {p for i in data.items for p in (i.path, *(i.mask.paths if i.mask else ()))} | data.aside
    for path in find_images(data.root):
        if path not in used:
            remedy = "move it into a class folder, or remove it"
            yield Fault(
                "warning", "ignored", [str(path)], f"the layout {data.layout} does not use this image", remedy
            )


def unmasked(data: Dataset) -> Iterator[Fault]:
    """Hold-out defects without a mask where others have one: no pixel figure rests on them."""
    defects = [item for item in data.holdout() if item.label == DEFECT]
    without = [item for item in defects if item.mask is None]
    if without and len(without) < len(defects):
        message = f"{len(without)} of {len(defects)} defects have no mask, so pixel figures leave them out"
        yield Fault("warning", "mask-missing", [str(i.path) for i in without], message, "add their masks")


def one_picture(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Train goods that are all one picture: exact copies apart, which `duplicates` names."""
    goods = {r.picture: r for r in seen if r.item.split == "train" and r.item.label == GOOD}
    records = list(goods.values())
    thumbnails = [r.thumbnail for r in records if r.thumbnail is not None]
    copies = sum(r.item.split == "train" and r.item.label == GOOD for r in seen) - len(records)
    if len(thumbnails) > 1 and (apart := largest_distance(thumbnails)) < ONE_PICTURE:
        what = f"{len(records)} good images are almost identical: they differ by {apart:.2f} grey levels"
    elif len(records) == 1 and copies:
        what = f"{copies + 1} good images are copies of one image"
    else:
        return
    remedy = "give images of different parts; a frozen camera or a file saved twice gives only one"
    yield Fault("error", "one-picture", [str(r.item.path) for r in records], what, remedy)


def near_goods(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Train goods that lie much nearer to another one than is usual: they count for a part too many."""
    goods = [r for r in seen if r.item.split == "train" and r.item.label == GOOD and r.thumbnail is not None]
    once = list({r.picture or r.sha: r for r in goods}.values())
    if len(once) < 8:
        return
    bank = np.stack([r.thumbnail - r.thumbnail.mean() for r in once if r.thumbnail is not None])
    nearest = []
    for at, own in enumerate(bank):
        distances = np.sqrt(((bank - own) ** 2).mean(axis=1))
        distances[at] = np.inf
        nearest.append((float(distances.min()), int(distances.argmin())))
    usual = float(np.median([distance for distance, _ in nearest]))
    for at, (distance, other) in enumerate(nearest):
        if distance < NEAR * usual and (at < other or nearest[other][1] != at):
            paths = [str(once[at].item.path), str(once[other].item.path)]
            message = f"two training images are almost identical (they differ by {distance:.2f} grey levels)"
            yield Fault("warning", "near-copy", paths, message, "if both are the same photo, remove one")


def near_duplicates(seen: list[_SeenImage]) -> Iterator[Fault]:
    """Hold-out images that lie much nearer to a train image than hold-out images usually do.

    The distance is the root mean square difference of 32 x 32 thumbnails. Products in a fixture all look
    alike, so a fixed limit would flag all of them; the median nearest distance is the yardstick.
    """
    train = [r for r in seen if r.item.split == "train" and r.thumbnail is not None]
    held = [r for r in seen if r.item.split not in ("train", "") and r.thumbnail is not None]
    if not train or len(held) < 8:
        return
    bank = np.stack([r.thumbnail - r.thumbnail.mean() for r in train if r.thumbnail is not None])
    nearest = [_nearest(r.thumbnail - r.thumbnail.mean(), bank) for r in held if r.thumbnail is not None]
    usual = float(np.median([d for d, _ in nearest]))
    for record, (distance, at) in zip(held, nearest, strict=True):
        if record.picture != train[at].picture and distance < NEAR * usual:
            paths = [str(record.item.path), str(train[at].item.path)]
            message = (
                f"an image in {record.item.split} and one in train are almost identical (they differ by "
                f"{distance:.2f} grey levels)"
            )
            yield Fault(
                "warning",
                "near-duplicate",
                paths,
                message,
                "if both show the same part, move both to one split",
            )


def _nearest(thumbnail: NDArray[np.float32], bank: NDArray[np.float32]) -> tuple[float, int]:
    distances = np.sqrt(((bank - thumbnail) ** 2).mean(axis=1))
    at = int(distances.argmin())
    return float(distances[at]), at
