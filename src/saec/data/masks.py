"""The pixels of a defect: of mask files, several for one image, or of the shapes of an annotation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.images.mask_values import FEW, MarkedPixels
from saec.data.images.pixels import decode_native, read_bytes, read_marks
from saec.errors import DataError, ImageError
from saec.types import Mask, Outline, Runs

FLAT = 0.9
"""Share of pixels, black or brightest, from which a file with many levels looks like a mask."""


class MaskError(DataError):
    """A mask cannot be used; ``code`` is that of `saec data check`."""

    def __init__(self, code: str, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.code = code


def mask_pixels(mask: Mask, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """H x W, True on the defect.

    Args:
        mask: the mask of an image.
        shape: height and width of the image.

    Raises:
        MaskError: the mask has another size than the image, or is in doubt.
        ImageError: a file that cannot be read.
    """
    where = np.zeros(shape, np.bool_)
    for file in mask.files:
        where |= _of_file(read_marks(file), shape)
    if mask.size is not None and mask.size != (shape[1], shape[0]):
        raise MaskError(
            "mask-size",
            f"the annotation is for an image of {_size(mask.size[::-1])} pixels, but the image has "
            f"{_size(shape)}",
            "export the annotations again for these images",
        )
    where |= _drawn(mask.outlines, shape)
    for runs in mask.runs:
        where |= _unrolled(runs, shape)
    return where


def looks_like_mask(path: Path) -> bool:
    """Whether a file holds a mask by what is in it: few values, or nearly all of it black or brightest.

    A file that cannot be read is none: as an image it is named as unreadable.
    """
    try:
        pixels = decode_native(read_bytes(path), path.name)
    except ImageError:
        return False
    plane = pixels.max(axis=2).astype(np.float32)
    top = float(plane.max())
    if top == 0 or len(np.unique(plane)) <= FEW:
        return True
    slack = 0.02 * top if read_bytes(path)[:2] == b"\xff\xd8" else 0.0
    return bool(((plane <= slack) | (plane >= top - slack)).mean() >= FLAT)


def _of_file(marks: MarkedPixels, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if marks.where.shape != shape:
        raise MaskError(
            "mask-size",
            f"the mask has {_size(marks.where.shape)} pixels, but its image has {_size(shape)}",
            "make the mask again at the size of the image",
        )
    if marks.doubt:
        raise MaskError("mask-doubt", marks.doubt, marks.remedy)
    return marks.where


def _drawn(outlines: tuple[Outline, ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    canvas = np.zeros(shape, np.uint8)
    scale = np.array([shape[1], shape[0]])
    for outline in outlines:
        points = np.array(outline.points).reshape(-1, 2) * scale - 0.5
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    return canvas > 0


def _unrolled(runs: Runs, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if (runs.height, runs.width) != shape or sum(runs.counts) != runs.height * runs.width:
        raise MaskError(
            "mask-size",
            f"the run-length mask has {runs.width} x {runs.height} pixels, but its image has {_size(shape)}",
            "export the annotations again for these images",
        )
    on = np.arange(len(runs.counts)) % 2 == 1
    return np.asarray(np.repeat(on, runs.counts).reshape(runs.width, runs.height).T)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
