"""Images that show one picture: with the same bytes, saved again, or all but the same."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.images.pixels import decode_image
from saec.data.items import Item
from saec.errors import DataError
from saec.reading_ahead import ahead
from saec.types import Image

SIDE = 32
"""Side of the thumbnails that tell near copies."""
AHEAD = 2
"""Images that are read before they are asked for."""

ONE_PICTURE = 0.5
"""Images whose thumbnails all lie this near their mean, in grey levels, are one picture.

Saving a picture anew as JPEG of quality 75 and more leaves less than that; photographs of two parts lie
several grey levels apart, as parts are never placed and lit alike.
"""


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """An image that was read: its item, the sha256 of its file, its pixels, and what was measured of them.

    Attributes:
        image: H x W x 3 RGB uint8.
        measured: what the reader's ``measure`` gave.
    """

    item: Item
    sha: str
    image: Image
    measured: dict[str, float]


class DistinctImages:
    """Images of which no two show the same picture, read one after the other, the next ones ahead.

    Each file is read and decoded once, in a thread of its own, so that who looks at the images works
    meanwhile.

    Args:
        items: the images.
        bits: significant bits of 16-bit images.
        varied: refuse images that are all nearly one picture; after the last one.
        measure: is called with each image in the reading thread.

    Attributes:
        left_out: how many files were left out so far: same bytes, or same pixels in other bytes.
    """

    def __init__(
        self,
        items: Sequence[Item],
        *,
        bits: int,
        varied: bool = False,
        measure: Callable[[Image], dict[str, float]] = lambda image: {},
    ) -> None:
        self._items, self._bits, self._varied, self._measure = items, bits, varied, measure
        self.left_out = 0

    def __iter__(self) -> Iterator[ReadImage]:
        """The images, in the order of the items.

        Raises:
            DataError: a file that cannot be read, or ``varied`` and nothing varies.
            ImageError: a file that is no image.
        """
        self.left_out = 0
        files, pictures = set[str](), set[Hashable]()
        thumbnails: list[NDArray[np.float32]] = []
        first: Item | None = None
        with ThreadPoolExecutor(1) as reader:
            for read, picture, small in ahead(reader, self._read, self._items, AHEAD):
                if read.sha in files or picture in pictures:
                    self.left_out += 1
                    continue
                files.add(read.sha)
                pictures.add(picture)
                thumbnails.append(small)
                first = first or read.item
                yield read
        if self._varied and first:
            _check_varied(thumbnails, first.path.parent)

    def _read(self, item: Item) -> tuple[ReadImage, Hashable, NDArray[np.float32]]:
        try:
            data = item.path.read_bytes()
        except OSError as e:
            raise DataError(f"{item.path}: {e.strerror}", "`saec data check` lists all such files") from e
        image = decode_image(data, bits=self._bits, name=str(item.path))
        read = ReadImage(item, hashlib.sha256(data).hexdigest(), image, self._measure(image))
        small = thumbnail(image)
        # Both together tell pictures apart as surely as a hash, which takes ten times as long.
        picture = (image.shape, zlib.crc32(np.ascontiguousarray(image).data), small.tobytes())
        return read, picture, small


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


def _check_varied(thumbnails: Sequence[NDArray[np.float32]], folder: Path) -> None:
    if len(thumbnails) > 1 and (apart := largest_distance(thumbnails)) < ONE_PICTURE:
        raise DataError(
            f"{folder}: {len(thumbnails)} good images are almost identical: they differ by "
            f"{apart:.2f} grey levels",
            "give images of different parts; a frozen camera or a file saved twice gives only one",
        )
