"""Whether a marked place may be kept: finite, inside the picture, and no more of it than a person paints."""

from __future__ import annotations

import math
from collections.abc import Iterable

from saec.errors import SaecError
from saec.station.review.review_records import MarkedPlace, Points, Stroke
from saec.types import Box

MOST_BOXES, MOST_STROKES, MOST_POINTS = 50, 200, 8000
"""Boxes of a frame, strokes of a frame, and points of all its strokes."""

_MARK_AGAIN = "mark the place again"


def checked_place(place: MarkedPlace, width: int, height: int) -> MarkedPlace | None:
    """A place, cut off at the borders of its picture.

    Args:
        place: what somebody marked, unchecked.
        width, height: the picture's, in pixels.

    Returns:
        None where nothing is marked.

    Raises:
        SaecError: a number is not finite, a mark lies outside the picture, or there is too much of it.
    """
    points = sum(len(stroke.points) for stroke in place.strokes) + sum(map(len, place.outlines))
    shapes = len(place.strokes) + len(place.outlines)
    if len(place.boxes) > MOST_BOXES or shapes > MOST_STROKES or points > MOST_POINTS:
        what = f"a frame has at most {MOST_BOXES} boxes, {MOST_STROKES} strokes and {MOST_POINTS} points"
        raise SaecError(what, "mark the place with fewer strokes")
    if not place.boxes and not points:
        return None
    boxes = tuple(_cut_box(box, width, height) for box in place.boxes)
    strokes = tuple(_cut_stroke(stroke, width, height) for stroke in place.strokes if stroke.points)
    outlines = tuple(_cut_outline(outline, width, height) for outline in place.outlines)
    return MarkedPlace(boxes=boxes, strokes=strokes, outlines=outlines)


def _cut_outline(outline: Points, width: int, height: int) -> Points:
    """An outline with at least three points that lies in the picture, if only with a part of it."""
    if len(outline) < 3 or not all(map(math.isfinite, (value for point in outline for value in point))):
        raise SaecError("an outline has fewer than three points, or one that is not finite", _MARK_AGAIN)
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    if min(xs) >= width or max(xs) <= 0 or min(ys) >= height or max(ys) <= 0:
        raise SaecError("an outline lies outside the picture", _MARK_AGAIN)
    return _within(outline, width, height)


def _within(points: Points, width: int, height: int) -> Points:
    return tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in points)


def _cut_box(box: Box, width: int, height: int) -> Box:
    x0, y0, x1, y1 = box
    x0, x1 = max(0, x0), min(width, x1)
    y0, y1 = max(0, y0), min(height, y1)
    if x0 >= x1 or y0 >= y1:
        raise SaecError("a box is empty or lies outside the picture", _MARK_AGAIN)
    return x0, y0, x1, y1


def _cut_stroke(stroke: Stroke, width: int, height: int) -> Stroke:
    """A stroke whose points outside lie on the border; the brush reaches over it as before."""
    numbers: Iterable[float] = (stroke.width, *(value for point in stroke.points for value in point))
    if not all(map(math.isfinite, numbers)):
        raise SaecError("a mark has a number that is not finite", _MARK_AGAIN)
    if not 0 < stroke.width <= max(width, height):
        raise SaecError("a brush is wider than the picture, or has no width", _MARK_AGAIN)
    reach = stroke.width / 2
    if not any(-reach < x < width + reach and -reach < y < height + reach for x, y in stroke.points):
        raise SaecError("a stroke lies outside the picture", _MARK_AGAIN)
    return Stroke(stroke.width, _within(stroke.points, width, height))
