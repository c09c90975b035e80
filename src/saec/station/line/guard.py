"""Whether a frame is a fair picture of a part at all: not dark, not washed out, not blurred, not empty.

A detector that is shown no part, or one out of focus, says defect of a sort; that is the camera's fault and
not the part's, and who stands at the line must be told which. A frame that the guard stops has no label.
What is usual is taken from the line's own reference images, so nothing is set by hand but shares of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saec.errors import ConfigError, ImageError
from saec.station.setup.station_settings import FrameGuardSettings
from saec.types import Image

_SIDE = 256
"""Longer side of the picture on which sharpness is measured."""

_COARSE = 32
"""Side of the picture on which it is measured whether there is anything to see."""


class GuardError(ImageError):
    """A frame that is no fair picture. ``kind`` is one word: dark, bright, blurred or empty."""

    def __init__(self, kind: str, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.kind = kind


class FrameGuard:
    """Checks frames against a line's settings and references.

    Args:
        settings: what is checked.
        references: pictures of goods; needed for sharpness and emptiness.

    Raises:
        ConfigError: sharpness or emptiness is to be checked and there is no reference.
    """

    def __init__(self, settings: FrameGuardSettings, references: Sequence[Image]) -> None:
        if not references and (settings.blur or settings.empty):
            raise ConfigError("the line has no reference image to compare with", "fit the line again")
        self._settings = settings
        self._sharp = float(np.median([sharpness(image) for image in references])) if references else 0.0
        self._contrast = min((contrast(image) for image in references), default=0.0)

    def check(self, image: Image) -> None:
        """Pass a fair picture.

        Raises:
            GuardError: what is wrong with this one.
        """
        s = self._settings
        grey = float(image.mean())
        if grey < s.dark:
            raise GuardError("dark", f"the frame is dark (mean {grey:.0f} of 255)", "check the light")
        if grey > s.bright:
            raise GuardError(
                "bright", f"the frame is overexposed (mean {grey:.0f} of 255)", "check light and exposure"
            )
        if s.empty and (seen := contrast(image)) < s.empty * self._contrast:
            share = seen / self._contrast
            raise GuardError(
                "empty",
                f"there is no part in view (contrast {share:.0%} of that of a good image)",
                "check the part feeding and the camera",
            )
        if s.blur and (sharp := sharpness(image)) < s.blur * self._sharp:
            share = sharp / self._sharp
            raise GuardError(
                "blurred",
                f"the frame is blurred (sharpness {share:.0%} of that of a good image)",
                "check the focus",
            )


def sharpness(image: Image) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) of the grey picture of at most 256 px."""
    grey = _grey(image, _SIDE)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def contrast(image: Image) -> float:
    """Standard deviation of the grey picture of 32 x 32: whether there is anything to see."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.resize(grey, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA).std())


def _grey(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale < 1:  # of a frame that is a line, or nearly one, a line is left
        size = max(1, round(scale * width)), max(1, round(scale * height))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]
