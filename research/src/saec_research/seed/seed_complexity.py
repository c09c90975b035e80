"""The seed's scene complexity: one weighted sum over an image squashed to a square.

    C = 0.30 H + 0.25 E + 0.20 log(1 + s2) / 8 + 0.15 G / 16 + 0.10 R / 255

Kept as it was, to reproduce the seed's routing. Its edge term is the mean of a picture whose pixels are
0 or 255, so that it makes up most of the sum, and the square loses the frame's aspect; ours
(``saec.scene.complexity``) does neither.

What the seed leaves open is settled here: the frame is resized bilinearly (OpenCV's default) in colour
and then made grey (ITU-R BT.601), the gradient magnitude is the Euclidean one, and every term, the JPEG
residue too, is taken of that grey image.
"""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.arrays import check_image
from saec.errors import ConfigError, ImageError
from saec.types import Image

Grey = NDArray[np.uint8]


class SeedComplexity(msgspec.Struct, frozen=True):
    """The sum and its five terms before weighting.

    Attributes:
        value: C.
        entropy: H, of the 256-bin grey histogram, as a share of its maximum log 256 (0 to 1).
        edges: E, mean of the Canny picture (thresholds 64 and 128), 0 to 255.
        variance: s2, variance of the Laplacian.
        gradient: G, mean magnitude of the 3 x 3 Sobel gradient.
        residue: R, mean absolute difference to the image's own JPEG of quality 30, in grey levels.
    """

    value: float
    entropy: float
    edges: float
    variance: float
    gradient: float
    residue: float


def seed_complexity(image: Image, size: int = 192) -> SeedComplexity:
    """The seed's scene complexity of one frame.

    Args:
        image: H x W x 3 RGB uint8.
        size: side in pixels of the square that the frame is squashed to (the seed's ``--cpx_size``).

    Raises:
        ConfigError: ``size`` is not positive.
        ImageError: the image has another shape or type.
    """
    check_image(image)
    if size < 1:
        raise ConfigError(
            f"complexity size {size} is not positive", "give a side in pixels, the seed's is 192"
        )
    square = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    grey = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    entropy, edges, variance = _entropy(grey), float(cv2.Canny(grey, 64, 128).mean()), _variance(grey)
    gradient, residue = _gradient(grey), _residue(grey)
    value = (
        0.30 * entropy
        + 0.25 * edges
        + 0.20 * math.log1p(variance) / 8
        + 0.15 * gradient / 16
        + 0.10 * residue / 255
    )
    return SeedComplexity(value, entropy, edges, variance, gradient, residue)


def _entropy(grey: Grey) -> float:
    counts = np.bincount(grey.ravel(), minlength=256)
    share = counts[counts > 0] / grey.size
    return max(0.0, float(-(share * np.log(share)).sum() / math.log(256)))


def _variance(grey: Grey) -> float:
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def _gradient(grey: Grey) -> float:
    dx = cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=3)
    dy = cv2.Sobel(grey, cv2.CV_64F, 0, 1, ksize=3)
    return float(cv2.magnitude(dx, dy).mean())


def _residue(grey: Grey) -> float:
    fine, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])
    if not fine:
        raise ImageError(f"a grey image of {grey.shape} could not be coded as JPEG", "check the OpenCV build")
    coded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return float(cv2.absdiff(grey, coded).mean())
