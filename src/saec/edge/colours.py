"""Whether frames come with red and blue exchanged, as OpenCV reads them: told from the line's references.

An array does not say how its channels are ordered. Where all references are clearly tinted, a frame with the
opposite tint of the same strength is one in BGR, or the light has changed: either is worth a warning.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.types import Image

_LEAST = 12.0
"""Grey levels by which red and blue differ on average in every reference; below it the tint says nothing."""

_NEAR = 0.5
"""Share of the references' tint by which an exchanged one may differ from it."""

_STEP = 8
_READ = 8


class ChannelOrder:
    """Warns once, of the first frame that looks exchanged.

    Args:
        references: images of goods; those that OpenCV cannot read are left out.
    """

    def __init__(self, references: list[Path]) -> None:
        self._paths: list[Path] | None = references[:_READ]
        self._tint: float | None = None

    def check(self, image: Image) -> None:
        """Look at a frame, H x W x 3 uint8; a glance at every eighth pixel."""
        if self._paths is not None:  # not before the first frame, so that opening a line stays quick
            self._tint, self._paths = _common_tint(self._paths), None
        if self._tint is None:
            return
        tint = _tint(image[::_STEP, ::_STEP])
        if abs(tint + self._tint) <= _NEAR * abs(self._tint):
            self._tint = None
            warnings.warn(
                "a frame looks as if red and blue were swapped: arrays must be RGB, but "
                "OpenCV reads BGR (convert with image[..., ::-1]). If the frame is RGB, "
                "check light and white balance",
                stacklevel=3,
            )


def _common_tint(paths: list[Path]) -> float | None:
    """Mean difference of red and blue over the references; None where they do not agree."""
    read = [cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_8) for path in paths]
    tints = [-_tint(image) for image in read if image is not None]  # what OpenCV gives is BGR
    if not tints or min(map(abs, tints)) < _LEAST or len({tint > 0 for tint in tints}) > 1:
        return None
    return float(np.mean(tints))


def _tint(image: NDArray[Any]) -> float:
    """First channel less the last, on average."""
    return float(image[..., 0].mean() - image[..., 2].mean())
