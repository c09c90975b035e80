"""Images that show one picture: with the same bytes, saved again, or all but the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.manifest import hash_item
from saec.errors import DataError
from saec.types import Image

SIDE = 32
"""Side of the thumbnails that tell near copies."""
ONE_PICTURE = 0.5
"""Images whose thumbnails all lie this near their mean, in grey levels, are one picture.

Saving a picture anew as JPEG of quality 75 and more leaves less than that; photographs of two parts lie
several grey levels apart, as parts are never placed and lit alike.
"""


@dataclass(frozen=True, slots=True)
class Distinct:
    """Items of which no two show the same picture.

    Attributes:
        items, hashes: the first of each picture, and the sha256 of its file.
        copies, copy_hashes: the others, of other bytes, and theirs.
        left_out: how many files were left out in all.
    """

    items: list[Item]
    hashes: list[str]
    copies: list[Item]
    copy_hashes: list[str]
    left_out: int


def distinct(
    items: Sequence[Item],
    *,
    bits: int,
    varied: bool = False,
    step: Callable[[int, int], None] = lambda done, of: None,
) -> Distinct:
    """The items without copies, whether of the same bytes or of the same pixels in other bytes.

    Args:
        bits: significant bits of 16-bit images.
        varied: refuse items that are all nearly one picture.
        step: called with how many were looked at, of how many.

    Raises:
        DataError: a file that cannot be read, or ``varied`` and nothing varies.
        ImageError: a file that is no image.
    """
    by_bytes: dict[str, Item] = {}
    for item in items:
        by_bytes.setdefault(hash_item(item), item)
    first: dict[str, tuple[str, Item]] = {}
    copies: list[tuple[str, Item]] = []
    thumbnails = []
    for at, (sha, item) in enumerate(by_bytes.items()):
        image = read_image(item.path, bits=bits)
        if first.setdefault(picture_hash(image), (sha, item))[0] == sha:
            thumbnails.append(thumbnail(image))
        else:
            copies.append((sha, item))
        step(at + 1, len(by_bytes))
    if varied:
        _check_varied(thumbnails, [item for _, item in first.values()])
    return Distinct(
        [item for _, item in first.values()],
        [sha for sha, _ in first.values()],
        [item for _, item in copies],
        [sha for sha, _ in copies],
        len(items) - len(first),
    )


def picture_hash(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> str:
    """sha256 of what a file shows: its pixels and their shape."""
    whole = np.ascontiguousarray(pixels)
    return hashlib.sha256(f"{whole.shape}{whole.dtype}".encode() + whole.tobytes()).hexdigest()


def thumbnail(image: Image) -> NDArray[np.float32]:
    """32 x 32 grey levels, flat."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32).ravel()


def largest_distance(thumbnails: Sequence[NDArray[np.float32]]) -> float:
    """The largest distance of a thumbnail from their mean: root mean square, in grey levels."""
    stack = np.stack(thumbnails)
    return float(np.sqrt(((stack - stack.mean(axis=0)) ** 2).mean(axis=1)).max())


def _check_varied(thumbnails: Sequence[NDArray[np.float32]], items: Sequence[Item]) -> None:
    if len(thumbnails) > 1 and (apart := largest_distance(thumbnails)) < ONE_PICTURE:
        raise DataError(
            f"{items[0].path.parent}: {len(items)} good images are almost identical: they differ by "
            f"{apart:.2f} grey levels",
            "give images of different parts; a frozen camera or a file saved twice gives only one",
        )
