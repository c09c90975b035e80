"""How a frame becomes the graph's input: crop to the region of interest, resize with the aspect kept."""

from __future__ import annotations

import math

import cv2
import numpy as np

from saec.errors import ConfigError, ImageError
from saec.profile import Preparation
from saec.types import Box, Image

MULTIPLE = 32
"""Sides of the input are multiples of it: twice the stride of the default backbone's coarser features."""

SHORT = 128
"""A frame whose shorter side is less is enlarged towards it, as far as the area allows."""

LEAST = 64
"""Least side of the input. Only a strip that would be thinner, some fifty times as long as wide, loses its
aspect."""


def input_size(height: int, width: int, side: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """Height and width of the input for frames of this size, multiples of ``multiple``.

    Its area is about side x side, or the frame's where that is less; the aspect is kept to within the
    rounding. Only small frames are enlarged, see ``SHORT``.
    """
    area = side / math.sqrt(height * width)
    scale = min(area, max(1.0, SHORT / min(height, width)))
    return _round(height * scale, multiple), _round(width * scale, multiple)


def _round(length: float, multiple: int) -> int:
    return max(math.ceil(LEAST / multiple), round(length / multiple)) * multiple


def check_roi(roi: Box | None, height: int, width: int) -> None:
    """Raise ConfigError unless the rectangle lies within a frame of this size."""
    if roi is None:
        return
    x0, y0, x1, y1 = roi
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ConfigError(
            f"the region of interest {roi} does not lie within a frame of {width} x {height} pixels",
            "give it as x0,y0,x1,y1 with x1 <= width and y1 <= height",
        )


def covered(image: Image, preparation: Preparation) -> Box:
    """The part of the frame that is judged.

    Raises:
        ImageError: the frame is smaller than the region of interest.
    """
    height, width = image.shape[:2]
    if preparation.roi is None:
        return (0, 0, width, height)
    x1, y1 = preparation.roi[2:]
    if x1 > width or y1 > height:
        raise ImageError(
            f"the region of interest {preparation.roi} lies outside a frame of {width} x {height} px",
            "send frames of the size that you fitted the line on",
        )
    return preparation.roi


def prepare(image: Image, preparation: Preparation) -> Image:
    """The graph's input of a frame: height x width x 3, RGB, uint8."""
    x0, y0, x1, y1 = covered(image, preparation)
    size = (preparation.width, preparation.height)
    crop = image[y0:y1, x0:x1]
    if (crop.shape[1], crop.shape[0]) == size:
        return np.ascontiguousarray(crop)
    if size[0] * size[1] >= crop.shape[0] * crop.shape[1]:
        return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    halfway = tuple(n // _whole_factor(n, to) for n, to in zip(crop.shape[1::-1], size, strict=True))
    # OpenCV averages blocks of whole pixels ten times faster than others, so these come first.
    for step in (halfway, size):
        if step != crop.shape[1::-1]:
            crop = np.asarray(cv2.resize(crop, step, interpolation=cv2.INTER_AREA), np.uint8)
    return crop


def _whole_factor(length: int, target: int) -> int:
    """The largest whole number by which a length can be divided without a rest and stays above the target."""
    return next(factor for factor in range(max(1, length // target), 0, -1) if length % factor == 0)
