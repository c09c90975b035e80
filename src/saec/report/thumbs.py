"""Small pictures of frames as data URIs, within a budget of bytes for the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from saec.data.images.pixels import read_image
from saec.errors import ImageError
from saec.frame.map_pictures import encode_jpeg, shrink
from saec.settings import FitConfig
from saec.types import Box, Image, VerdictRecord

SIDE = 288
QUALITY = 80


@dataclass(frozen=True)
class Thumb:
    """A picture for an ``<img>``: its data URI and its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Pair:
    """The frame and the frame with its map; None where there is no such picture."""

    frame: Thumb | None
    map: Thumb | None


class Thumbs:
    """Makes thumbnails until the budget is spent.

    Args:
        budget: bytes of data URIs that the page may hold.
    """

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.refused = 0

    def pair(self, verdict: VerdictRecord, folder: Path, *, bits: int = FitConfig().bits) -> Pair:
        """The pictures of a verdict; files that are gone since the run are left out.

        Args:
            verdict: its ``map`` is a path within the run folder, its ``path`` the frame's own.
            folder: the run folder.
            bits: significant bits of 16-bit frames.
        """
        if self.left <= 0:
            self.refused += 1
            return Pair(None, None)
        box = verdict.explanation.box if verdict.explanation else None
        frame = self._thumb(_read(Path(verdict.path), bits), box) if verdict.label is not None else None
        picture = self._thumb(_read(folder / verdict.map)) if verdict.map else None
        return Pair(frame, picture)

    def _thumb(self, image: Image | None, box: Box | None = None) -> Thumb | None:
        if image is None:
            return None
        small = shrink(image, SIDE)
        if box is not None:
            small = _boxed(small, box, small.shape[1] / image.shape[1])
        data = base64.b64encode(encode_jpeg(small, QUALITY)).decode()
        self.left -= len(data)
        return Thumb(f"data:image/jpeg;base64,{data}", small.shape[1], small.shape[0])


def _read(path: Path, bits: int = FitConfig().bits) -> Image | None:
    """The image, or None where the file has been moved or replaced since it was judged."""
    try:
        return read_image(path, bits=bits)
    except (ImageError, OSError):
        return None


def _boxed(image: Image, box: Box, scale: float) -> Image:
    """A white box with a dark rim, which shows on any product."""
    x0, y0, x1, y1 = (round(v * scale) for v in box)
    drawn = np.ascontiguousarray(image)
    cv2.rectangle(drawn, (x0 - 2, y0 - 2), (x1 + 1, y1 + 1), (20, 12, 30), 3, cv2.LINE_AA)
    cv2.rectangle(drawn, (x0 - 2, y0 - 2), (x1 + 1, y1 + 1), (255, 255, 255), 1, cv2.LINE_AA)
    return drawn
