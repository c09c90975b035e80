"""How the picture of a part looks: brightness, sharpness, and its grey picture to compare another with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.types import Image

SIDE = 256
"""Longer side of the grey picture, in pixels."""

_SMALL = 64
"""Longer side of the picture on which likeness is measured: noise and a slight blur leave it as it is."""

_SIGMA = 1.5
"""Standard deviation of the Gaussian before the Laplacian, in pixels of the grey picture. It takes nearly all
of a camera's noise away, and leaves the edges of a part that is in focus."""

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PictureLook:
    """A picture by what a camera may change of it.

    Attributes:
        brightness: mean grey value, 0 to 255.
        sharpness: variance of the Laplacian of Gaussian of the grey picture (Pech-Pacheco et al., ICPR 2000,
            behind the filter of Marr and Hildreth, 1980), divided by the squared mean grey value, so that a
            dimmed picture is no blurred one.
        grey: the grey picture, H x W, longer side ``SIDE``.
    """

    brightness: float
    sharpness: float
    grey: Grey


def picture_look(image: Image) -> PictureLook:
    """Measure a picture.

    Args:
        image: H x W x 3, RGB, 8 bits.
    """
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size, interpolation=method)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = float(grey.mean())
    edges = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), _SIGMA), cv2.CV_32F)
    return PictureLook(mean, float(edges.var()) / max(mean, 1.0) ** 2, grey)


def shift_between(before: PictureLook, after: PictureLook) -> tuple[float, float] | None:
    """How far the part has moved, x and y in shares of the longer side; None for pictures of another shape.

    By phase correlation with a Hann window (Kuglin and Hines, 1975), to parts of a pixel. What has no
    structure has not moved.
    """
    if before.grey.shape != after.grey.shape or min(before.grey.shape) < 8:
        return None
    if float(before.grey.var()) < 1.0 or float(after.grey.var()) < 1.0:
        return 0.0, 0.0
    height, width = before.grey.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    one, other = (
        before.grey - before.grey.mean(),
        after.grey - after.grey.mean(),
    )  # it changes what it is given
    (x, y), _ = cv2.phaseCorrelate(one, other, window)
    return float(x) / SIDE, float(y) / SIDE


def unlikeness(before: PictureLook, after: PictureLook, shift: tuple[float, float] | None) -> float:
    """What is lacking of a correlation of 1 between two pictures, once the shift is taken back; 0 to 2.

    It is 1 for pictures of another shape, and for one without any structure beside one with some.
    """
    if shift is None:
        return 1.0
    (height, width), (x, y) = before.grey.shape, (round(shift[0] * SIDE), round(shift[1] * SIDE))
    if abs(x) > width // 2 or abs(y) > height // 2:
        return 1.0
    one = before.grey[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    other = after.grey[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    return 1.0 - _correlation(_smaller(one), _smaller(other))


def _smaller(grey: Grey) -> Grey:
    height, width = grey.shape
    scale = _SMALL / SIDE
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _correlation(one: Grey, other: Grey) -> float:
    """Pearson's; two pictures without structure are alike."""
    a, b = one - one.mean(), other - other.mean()
    power = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    flat = float(one.size)  # a variance of one grey value is none
    if float((a * a).sum()) < flat and float((b * b).sum()) < flat:
        return 1.0
    return float((a * b).sum()) / power if power > 0 else 0.0
