"""How far raters agree beyond chance: kappas of two labels, with parts as the units of their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from saec.schedule.statistics.paired import Array, Interval, interval, resampled


class Kappa(NamedTuple):
    """An agreement beyond chance: 1 is full, 0 is chance, below 0 is less than chance.

    Attributes:
        value: the coefficient; None where all ratings are one label, so that chance explains everything.
        interval: bootstrap interval over parts; None where ``value`` is.
        parts: number of parts.
    """

    value: float | None
    interval: Interval | None
    parts: int


def cohen_kappa(pairs: Sequence[tuple[int, int]], parts: Sequence[str], confidence: float = 0.95) -> Kappa:
    """Two raters on the same frames (Cohen 1960).

    Args:
        pairs: the labels, GOOD or DEFECT, of the first and of the second rater for each frame.
        parts: the part of each frame; frames of one part are drawn together.
        confidence: level of the interval.
    """
    cells = np.zeros((len(pairs), 4))
    for at, (first, second) in enumerate(pairs):
        cells[at, 2 * first + second] = 1.0
    return _kappa(cells, parts, _cohen, confidence)


def dichotomous_kappa(counts: Sequence[tuple[int, int]], confidence: float = 0.95) -> Kappa:
    """Any number of ratings of each part (Fleiss and Cuzick 1979; Fleiss 1971 where all have equally many).

    Args:
        counts: ratings that say defect, and all ratings, of each part. A part with fewer
            than two is left out.
        confidence: level of the interval.
    """
    rated = np.array([one for one in counts if one[1] > 1], dtype=np.float64).reshape(-1, 2)
    x, n = rated[:, 0], rated[:, 1]
    sums = np.stack([x * (n - x) / n, x, n, np.ones(len(rated))], axis=1)
    return _kappa(sums, [str(at) for at in range(len(rated))], _fleiss_cuzick, confidence)


def _kappa(
    values: Array, parts: Sequence[str], coefficient: Callable[[Array], Array], confidence: float
) -> Kappa:
    count = len(set(parts))
    if not len(values):
        return Kappa(None, None, 0)
    value = float(coefficient(values.sum(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return Kappa(None, None, count)
    drawn = coefficient(resampled(values, parts))
    known = drawn[~np.isnan(drawn)]
    return Kappa(value, interval(known, confidence), count)


def _cohen(sums: Array) -> Array:
    """Draws x 4 cells of the table to draws; nan where one label alone was given."""
    n = sums.sum(axis=1)
    observed = (sums[:, 0] + sums[:, 3]) / n
    first, second = (sums[:, 2] + sums[:, 3]) / n, (sums[:, 1] + sums[:, 3]) / n
    chance = first * second + (1 - first) * (1 - second)
    return _beyond(1 - observed, 1 - chance)


def _fleiss_cuzick(sums: Array) -> Array:
    """Draws x (within, defects, ratings, parts) to draws; nan where one label alone was given."""
    within, defects, ratings, parts = sums.T
    share = defects / ratings
    return _beyond(within, parts * (ratings / parts - 1) * share * (1 - share))


def _beyond(disagreement: Array, expected: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.where(expected > 1e-12, 1 - disagreement / expected, np.nan)
    return found
