"""What of a frame the cloud is shown: all of it, or all of it small and its hottest place near.

A pure rule of plain numbers, the same for a model in this process and one elsewhere, when a cloud is measured
on a line and when it is asked. No pixel is touched here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from saec.settings import UNIT, Spending
from saec.types import Box

STEP = 112
"""A vision window of Qwen2.5-VL in pixels: by this the scene's rule enlarges a crop."""

_MARGIN = 1.5
"""A crop is at least so many times as long as the hottest place: what is unusual shows beside what is not."""

_MOST = 0.7
"""A crop longer than this share of the frame (root of its area) shows little that the frame does not."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture of a frame.

    Attributes:
        side: square root of the number of pixels at which it is shown.
        part: what of the frame it shows; None is all of it.
    """

    side: int
    part: Box | None = None


def sights(
    height: int,
    width: int,
    hottest: Box | None,
    complexity: float | None,
    spending: Spending,
    side: int,
    unit: int = UNIT,
) -> tuple[Sight, ...]:
    """The sights of one frame: the whole, or the whole and a crop of its hottest place.

    Args:
        height, width: size of the frame in pixels.
        hottest: where its anomaly map is hottest, in pixels of the frame; None where nothing stands out.
        complexity: the frame's complexity in the line's own units; None where it was not measured.
        spending: the rule.
        side: side of a whole frame that is shown alone, in pixels; nothing is shown larger.
        unit: pixels per token and side; the other sides are rounded up to it.
    """
    alone = (Sight(side),)
    if spending.rule == "whole" or hottest is None:
        return alone
    small, near = (min(_up(wanted, unit), side) for wanted in (spending.small_px, spending.near_px))
    if spending.rule == "scene":
        if height * width <= side**2:
            return alone
        plain = complexity is None or complexity < spending.complexity
        small = small if plain else side
        near = min(max(near, _up(_up(_MARGIN * _length(hottest), STEP), unit)), side)
    part = crop_box(height, width, hottest, near, unit)
    return alone if part is None else (Sight(small), Sight(near, part))


def crop_box(height: int, width: int, hottest: Box, side: int, unit: int = UNIT) -> Box | None:
    """A square of the frame around a place, for a sight of ``side`` pixels.

    It has the sight's own size, so that it is shown pixel by pixel, or half the frame's where that is less,
    so that it is enlarged. It is larger only where the place itself is. Its side is a multiple of ``unit``.

    Returns:
        The square, which contains the place and lies inside the frame; None where it would show nearly all
        of it, or the frame is too narrow.
    """
    root = math.sqrt(height * width)
    length = min(_down(side, unit), _down(root / 2, unit), _down(min(height, width), unit))
    length = max(length, unit, _up(_MARGIN * _length(hottest), unit))
    if length > min(height, width) or length > _MOST * root:
        return None
    left, right = _span(hottest[0], hottest[2], length, width)
    top, bottom = _span(hottest[1], hottest[3], length, height)
    return left, top, right, bottom


def _span(low: int, high: int, length: int, size: int) -> tuple[int, int]:
    """An interval of that length around another, moved inside 0..size."""
    start = min(max((low + high - length) // 2, 0), size - length)
    return start, start + length


def _length(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _down(value: float, unit: int) -> int:
    return unit * int(value // unit)


def _up(value: float, unit: int) -> int:
    return unit * math.ceil(value / unit)
