"""How much the head that learned from defects counts: as much as scores that it was not trained on tell.

A defect's evidence is the share of thresholds at which it is caught, spread evenly over the logarithm of the
rate of goods that they reject (a logAUC, Mysinger and Shoichet, J. Chem. Inf. Model. 50, 2010). The goods'
tail is exponential, as it is where the line's threshold is chosen (``schedule.statistics.threshold``), so
that a defect far above all goods tells more than one just above them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATES = (0.001, 0.5)
"""Rates of rejected goods between which thresholds count."""

HOT_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
FULL_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Weights that are tried. At 1 the goods' spread of a head's score counts as much as that of their own."""

PRICE = 0.1
"""Evidence that a weight w must bring more than none: the price x log(1 + 2 w)."""

TEMPERATURE = 0.03
"""Difference of worth at which one pair of weights counts e times as much as another."""

LEAST = 0.02
"""Weights below it are none: so a head that brings nothing costs the line no time."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadScores:
    """Scores of frames as if unseen.

    Attributes:
        goods_only: n, the detector's without labelled defects.
        heads: 2 x n, the hot head's and the full head's.
    """

    goods_only: Array
    heads: Array

    def together(self, level: Array, gain: Array) -> Array:
        """Scores with the heads, n: they count above their level (2), so that they only add."""
        return self.goods_only + gain @ np.maximum(self.heads - level[:, None], 0.0)


@dataclass(frozen=True, slots=True)
class WeightTrial:
    """What a pair of weights brings.

    Attributes:
        hot, full: the weights.
        gained: evidence that it gains over no weight, summed over the defects' parts.
        error: standard error of that sum.
        price: what it must gain.
    """

    hot: float
    full: float
    gained: float = 0.0
    error: float = 0.0
    price: float = 0.0

    @property
    def worth(self) -> float:
        return self.gained - self.error - self.price


@dataclass(frozen=True, slots=True, eq=False)
class ChosenWeights:
    """The weights that count.

    Attributes:
        hot, full: the weights; 0 is none.
        level, gain: 2 each, see ``HeadScores.together``.
        trials: all that were tried.
    """

    hot: float
    full: float
    level: Array
    gain: Array
    trials: tuple[WeightTrial, ...]


def choose_weights(goods: HeadScores, defects: HeadScores, parts: NDArray[np.int64]) -> ChosenWeights:
    """The weights that gain most, less the standard error and their price; none where that is below zero.

    Those that are worth nearly as much count as well, see ``_averaged``.

    No weight is larger than the number of the defects' parts less one. So a single defect, which cannot be
    left out of what the head learns from, gives the head no weight, and a few give it a small one.

    Args:
        goods, defects: scores that heads give which have not seen the frame's part.
        parts: n, a number that stands for the part of each defect.
    """
    level = np.median(goods.heads, axis=1)
    unit = _spread(goods.goods_only) / np.maximum(_spread(goods.heads), 1e-9)
    _, part = np.unique(parts, return_inverse=True)
    frames = np.bincount(part)

    def caught(hot: float, full: float) -> Array:
        gain = np.array([hot, full]) * unit
        share = caught_share(goods.together(level, gain), defects.together(level, gain))
        return np.asarray(np.bincount(part, share) / frames)

    trials, before = [], caught(0.0, 0.0)
    for hot, full in itertools.product(HOT_WEIGHTS, FULL_WEIGHTS):
        if 0 < max(hot, full) <= len(frames) - 1:
            gained = caught(hot, full) - before
            error = math.sqrt(len(frames)) * float(gained.std(ddof=1))
            price = PRICE * (math.log1p(2 * hot) + math.log1p(2 * full))
            trials.append(WeightTrial(hot, full, float(gained.sum()), error, price))
    hot, full = _averaged(trials)
    return ChosenWeights(hot, full, level, np.array([hot, full]) * unit, tuple(trials))


def _averaged(trials: Sequence[WeightTrial]) -> tuple[float, float]:
    """The weights averaged by what they are worth, so that they change little where scores change little.

    Exponentially weighted aggregation (Dalalyan and Tsybakov, Mach. Learn. 72, 2008). No weight counts as
    much beforehand as all others together. Weights that would hardly count are none.
    """
    worth = np.array([0.0, *(trial.worth for trial in trials)])
    prior = np.array([max(len(trials), 1), *(1 for _ in trials)])
    share = prior * np.exp((worth - worth.max()) / TEMPERATURE)
    share /= share.sum()
    pairs = np.array([(0.0, 0.0), *((trial.hot, trial.full) for trial in trials)])
    hot, full = (share @ pairs).tolist()
    return (hot if hot >= LEAST else 0.0), (full if full >= LEAST else 0.0)


def caught_share(goods: Array, defects: Array) -> Array:
    """The evidence of each defect, between 0 and 1, from scores of goods and of defects."""
    low, high = (math.log(rate) for rate in RATES)
    shares: Array = np.clip((high - np.log(rejected_share(goods, defects))) / (high - low), 0.0, 1.0)
    return shares


def rejected_share(goods: Array, thresholds: Array) -> Array:
    """The share of new goods that score at or above each threshold.

    The inverse of ``schedule.statistics.threshold``: order statistics up to the highest sqrt(n) scores, above
    them the predictive law of an exponential tail.
    """
    x = np.sort(goods)
    n = len(x)
    tail = min(max(3, round(math.sqrt(n))), n - 1)
    start = x[n - tail - 1]
    excess = max(float((x[n - tail :] - start).sum()), 1e-12)
    body = np.interp(thresholds, x, np.arange(n, 0, -1) / (n + 1))
    beyond = np.maximum(thresholds - start, 0.0) / excess
    above = (tail + 1) / (n + 1) * np.exp(-tail * np.log1p(beyond))
    shares: Array = np.where(thresholds > start, above, body)
    return shares


def _spread(scores: Array) -> Array:
    """Distance from the middle to the highest tenth, over the last axis."""
    middle, high = np.quantile(scores, [0.5, 0.9], axis=-1)
    return np.asarray(high - middle)
