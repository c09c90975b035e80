"""Which pixels a mask file marks, whatever tool saved it, and whether that is in doubt.

Tools save masks as black and white, with label values (1, 2, ...), as painted colours on a transparent
ground, as palettes whose colours mean nothing, with soft edges, or as JPEG. Each is read by what its kind of
file says. Where two readings are left, the marks are in doubt: `MarkedPixels.doubt` says why, and no figure
may rest on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FEW = 16
"""With at most so many levels a file holds labels; with more it is lossy, has soft edges or is a picture."""
LABELS = 64
"""Levels 0, 1, 2, ... without a gap are labels up to this many."""
WHOLE = 0.5
"""Marks on a larger share of the image than this, all along its border, look like the ground."""
ALONG = 0.8
"""Share of the border from which a level counts as the ground."""
FAINT = 0.05
"""Levels up to this share of the highest are taken for noise where they would mark the border."""
GREYS = 0.2
"""Share of middle greys from which a file is a picture, not a mask with soft edges."""
EDGE = 5
"""Side of the square, in pixels, within which grey levels beside a mark are its soft edge."""

Bits = NDArray[np.bool_]
Plane = NDArray[Any]

_INVERT = "if black marks the defect, save it inverted; if it is not a mask, remove it"
_AGAIN = "save the mask as 8-bit grey: 0 is the background, 255 is the defect"


@dataclass(frozen=True, slots=True, eq=False)
class MarkedPixels:
    """What a mask marks.

    Attributes:
        where: H x W, True on the defect.
        doubt: why this may not be what was meant, as a sentence without a full stop; "" where it is sure.
        remedy: what to do about the doubt.
        inverted: the doubt is whether it marks the ground instead.
    """

    where: Bits
    doubt: str = ""
    remedy: str = ""
    inverted: bool = False


def find_marks(
    pixels: Plane, *, alpha: Plane | None = None, index: Plane | None = None, lossy: bool = False
) -> MarkedPixels:
    """The marks of a decoded mask.

    Args:
        pixels: H x W x 3, of any depth.
        alpha: H x W where the file has transparency.
        index: H x W, the palette's numbers where the file has a palette.
        lossy: the file's format loses what is fine, as JPEG does.
    """
    if alpha is not None and alpha.min() < alpha.max():
        return _checked(_by_alpha(pixels, alpha))
    if index is not None and len(np.unique(index)) <= FEW:
        return _checked(_by_palette(pixels, index))
    return _checked(_by_colour(np.nan_to_num(pixels), lossy))


def _by_alpha(pixels: Plane, alpha: Plane) -> MarkedPixels:
    """What is opaque is painted, unless the paint itself is partly black: then it may hold the ground."""
    opaque: Bits = alpha >= alpha.max() / 2
    black = (pixels == 0).all(axis=2)[opaque]
    if black.any() and not black.all():
        return MarkedPixels(
            opaque, "the mask has transparent, black and coloured parts, so the background is unclear", _AGAIN
        )
    return MarkedPixels(opaque)


def _by_palette(pixels: Plane, index: Plane) -> MarkedPixels:
    """Number 0 is the ground, whatever its colour; if it is coloured and black is used, the border tells."""
    black = (pixels == 0).all(axis=2)
    zero: Bits = index == 0
    coloured_zero = zero.any() and not black[zero].any()
    if zero.any() and not (coloured_zero and black.any()):
        return MarkedPixels(~zero)
    for ground in (zero, black):
        if ground.any() and (not zero.any() or _along(ground) >= ALONG):
            return MarkedPixels(~ground)
    return _by_border(index) if not black.any() else MarkedPixels(~black, _two_grounds("its palette"), _AGAIN)


def _by_colour(pixels: Plane, lossy: bool) -> MarkedPixels:
    plane: Plane = pixels.max(axis=2)
    if not plane.any():
        return MarkedPixels(plane > 0)
    if not lossy and not (pixels == 0).all(axis=2).any():
        packed = _packed(pixels)
        if len(np.unique(packed)) <= FEW:
            return _by_border(packed)
    return _by_level(plane, lossy)


def _packed(pixels: Plane) -> Plane:
    """One number for each colour."""
    _, numbers = np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0, return_inverse=True)
    return np.asarray(numbers).reshape(pixels.shape[:2])


def _by_border(numbers: Plane) -> MarkedPixels:
    """Without black the ground is the colour of the border."""
    ring = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    values, counts = np.unique(ring, return_counts=True)
    ground: Bits = numbers == values[counts.argmax()]
    if _along(ground) < ALONG:
        return MarkedPixels(~ground, _two_grounds("it has no black pixel, and its border"), _AGAIN)
    if ground.all():  # one colour that is not black
        return MarkedPixels(ground)
    return MarkedPixels(~ground)


def _two_grounds(what: str) -> str:
    return f"the background of the mask is unclear: {what} shows more than one colour"


def _by_level(plane: Plane, lossy: bool) -> MarkedPixels:
    """Labels where there are few levels, else what is brighter than half of the brightest."""
    top = float(plane.max())
    some: Bits = plane > 0
    high: Bits = plane >= top / 2
    near = cv2.dilate(high.astype(np.uint8), np.ones((EDGE, EDGE), np.uint8)) > 0
    far = some & ~near
    levels = np.unique(plane)
    whole = levels.size <= LABELS and float(levels[-1]) == levels.size - 1
    if not lossy and (levels.size <= FEW or whole):
        faint = levels[(levels > 0) & (levels < top / 2)]
        if far.any() and not (_covers(some) and (faint <= FAINT * top).all()):
            return MarkedPixels(some)
        return MarkedPixels(high)
    grey = (plane >= top / 4) & (plane < 3 * top / 4)
    stray = np.count_nonzero(grey & far)
    if stray > 16 + np.count_nonzero(high) / 20 or grey.mean() > GREYS:
        doubt = f"the mask has {levels.size} grey levels, far from any edge; it may be a heat map or a photo"
        return MarkedPixels(high, doubt, "give a mask of two values, or remove the file if it is not a mask")
    return MarkedPixels(high)


def _checked(marks: MarkedPixels) -> MarkedPixels:
    """The same, in doubt where it marks what looks like the ground."""
    if marks.doubt or not _covers(marks.where):
        return marks
    return MarkedPixels(
        marks.where,
        f"the mask marks {marks.where.mean():.0%} of the image, as if it were inverted",
        _INVERT,
        inverted=True,
    )


def _covers(where: Bits) -> bool:
    return bool(where.mean() > WHOLE and _along(where) >= ALONG)


def _along(where: Bits) -> float:
    """Share of the border's pixels."""
    ring = np.concatenate([where[0], where[-1], where[:, 0], where[:, -1]])
    return float(ring.mean())
