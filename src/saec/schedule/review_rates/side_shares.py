"""The share of one side that the line judged wrong, from one or several random samples of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saec.schedule.review_rates.share_bounds import Array, ShareBounds

DRAWS = 8192
"""Draws of a confidence distribution; they are spread evenly over its levels."""


class Sampled(NamedTuple):
    """A random sample with what people found in it.

    Attributes:
        population: number of frames that it was drawn from.
        reviewed: number of frames in it.
        wrong: how many of them the line judged wrong: one number, or DRAWS where people err.
    """

    population: int
    reviewed: int
    wrong: NDArray[np.int64]


class SideShare(NamedTuple):
    """The share of one side that the line judged wrong.

    Attributes:
        frames: number of frames of that side.
        value: the estimate; None where nobody looked at one.
        low, high: DRAWS of the lower and of the upper confidence distribution.
    """

    frames: int
    value: float | None
    low: Array
    high: Array


def side_share(samples: Sequence[Sampled], rng: np.random.Generator) -> SideShare:
    """The share over all samples of a side, weighted by their populations (Fay and Feuer 1997).

    A sample without a review says nothing: its share is 0 at the low end and 1 at the high one.
    """
    held = [one for one in samples if one.population]
    frames = sum(one.population for one in held)
    low, high = np.zeros(DRAWS), np.zeros(DRAWS)
    seen = [one for one in held if one.reviewed]
    heaviest = max(seen, key=lambda one: one.population / one.reviewed, default=None)
    for one in held:
        weight = one.population / frames
        if not one.reviewed:
            high += weight
            continue
        ends = _limits(one, rng) if one is heaviest else _between(one, rng)
        low += weight * ends[0]
        high += weight * ends[1]
    if not held:
        high += 1.0
    looked = sum(one.population for one in seen)
    found = sum(one.population * float(one.wrong.mean()) / one.reviewed for one in seen)
    return SideShare(frames, found / looked if looked else None, low, high)


def spread_levels(rng: np.random.Generator) -> Array:
    """DRAWS levels in (0, 1), one in each of as many equal parts (McKay, Beckman and Conover 1979)."""
    levels: Array = (rng.permutation(DRAWS) + 0.5) / DRAWS
    return levels


def _limits(one: Sampled, rng: np.random.Generator) -> tuple[Array, Array]:
    bounds, levels = _bounds(one), spread_levels(rng)
    low, high = np.empty(DRAWS), np.empty(DRAWS)
    for wrong, at in _groups(one.wrong):
        low[at] = bounds.low(wrong, levels[at])
        high[at] = bounds.high(wrong, levels[at])
    return low, high


def _between(one: Sampled, rng: np.random.Generator) -> tuple[Array, Array]:
    bounds, levels, sides = _bounds(one), spread_levels(rng), spread_levels(rng)
    drawn = np.empty(DRAWS)
    for wrong, at in _groups(one.wrong):
        drawn[at] = bounds.middle(wrong, levels[at], sides[at])
    return drawn, drawn


def _bounds(one: Sampled) -> ShareBounds:
    return ShareBounds(one.population, one.reviewed, int(one.wrong.min()), int(one.wrong.max()))


def _groups(wrong: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """The draws of each number."""
    drawn = np.broadcast_to(wrong, DRAWS)
    return [(int(count), np.flatnonzero(drawn == count)) for count in np.unique(wrong)]
