"""A marked place as pixels, and pixels as a marked place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.station.review.review_records import MarkedPlace, Points

PlaceMask = NDArray[np.bool_]
"""H x W; where the defect is."""

_SHIFT = 4
"""Fractional bits of drawn coordinates."""


def marked_pixels(place: MarkedPlace, width: int, height: int) -> PlaceMask:
    """The pixels that a place marks.

    Args:
        place: what was marked, in pixels of the picture.
        width, height: the picture's.

    Returns:
        H x W; True inside boxes and outlines, and under the brush.
    """
    drawn = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in place.boxes:
        drawn[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 1
    for outline in place.outlines:
        cv2.fillPoly(drawn, [_fixed(outline)], 1, shift=_SHIFT)
    for stroke in place.strokes:
        points = _fixed(stroke.points)
        cv2.polylines(drawn, [points], False, 1, max(1, round(stroke.width)), shift=_SHIFT)
        for x, y in points:  # a stroke has round ends; one of a single point is a dot
            radius = max(1, round(stroke.width / 2 * 2**_SHIFT))
            cv2.circle(drawn, (int(x), int(y)), radius, 1, -1, shift=_SHIFT)
    mask: PlaceMask = drawn > 0
    return mask


def mask_outlines(mask: PlaceMask) -> tuple[Points, ...]:
    """The outer outlines of what a mask marks; holes are filled."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return tuple(
        tuple((float(x), float(y)) for x, y in contour.reshape(-1, 2))
        for contour in found
        if len(contour) > 2
    )


def _fixed(points: Points) -> NDArray[np.int32]:
    """Points as OpenCV draws fractions of pixels."""
    fixed: NDArray[np.int32] = np.rint(np.array(points, np.float64).reshape(-1, 2) * 2**_SHIFT).astype(
        np.int32
    )
    return fixed
