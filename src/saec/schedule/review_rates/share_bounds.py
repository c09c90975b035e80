"""What a random sample says of the share of a finite population: exact, at every level at once.

A confidence distribution is the limit of a one-sided exact interval as a function of its level. With the
hypergeometric law it is that of Buonaccorsi (1987) for a finite population; where that is large beside the
sample it is the law of Clopper and Pearson (1934). Its quantiles at 5 and 95 % are the ends of the 90 %
interval.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = 600
# Points at which the law of a population is looked at.

_SMALL_PART = 0.01
# A sample below this part of its population is taken as drawn from an endless one. The interval is then
# wider by half a percent at most.


class ShareBounds:
    """Confidence distributions of a share, for samples of one size from one population.

    Args:
        population: number of frames, at least 1.
        sample: number of frames in the sample, at most ``population``.
        least, most: positives in the samples that are asked for, at most ``sample``.
    """

    def __init__(self, population: int, sample: int, least: int, most: int) -> None:
        self._population, self._sample, self._least = population, sample, least
        part = sample / population
        self._endless = sample > 0 and part < _SMALL_PART
        if sample > 0 and not self._endless and sample < population:
            self._grid = _positives(population, sample, least, most)
            self._below = _chances(self._grid, population, sample, most)

    def low(self, positives: int, levels: Array) -> Array:
        """The lower limits of the share at one-sided risks ``levels``, each in (0, 1); they rise with it."""
        if positives == 0:
            return np.zeros(len(levels))
        if self._sample == self._population:
            return np.full(len(levels), positives / self._population)
        if self._endless:
            return _beta(positives, self._sample - positives + 1, levels)
        chances = 1.0 - self._below[positives]  # P(as many positives or more), rising along the grid
        found: Array = np.floor(np.interp(levels, chances, self._grid)) + 1.0  # the first whole number beyond
        found = np.where(levels < chances[0], self._grid[0], np.minimum(found, self._grid[-1]))
        return found / self._population

    def high(self, positives: int, levels: Array) -> Array:
        """The upper limits of the share, whose one-sided risks are 1 - ``levels``; they rise with it."""
        if positives == self._sample:
            unknown = self._population - self._sample + positives
            return np.full(len(levels), unknown / self._population)
        if self._sample == self._population:
            return np.full(len(levels), positives / self._population)
        if self._endless:
            return _beta(positives + 1, self._sample - positives, levels)
        chances = 1.0 - self._below[positives + 1]  # P(more positives than these), rising along the grid
        found: Array = np.ceil(np.interp(levels, chances, self._grid)) - 1.0  # the last whole number before
        found = np.where(levels > chances[-1], self._grid[-1], np.maximum(found, self._grid[0]))
        return found / self._population

    def middle(self, positives: int, levels: Array, sides: Array) -> Array:
        """Between both limits, with the share of the sample as its mean.

        Args:
            levels: one-sided levels, each in (0, 1).
            sides: numbers in (0, 1), independent of ``levels``, that choose between the two limits.
        """
        share = positives / self._sample if self._sample else 0.5
        return np.where(sides < share, self.high(positives, levels), self.low(positives, levels))


def _positives(population: int, sample: int, least: int, most: int) -> Array:
    """Rising numbers of positives in the population, whole, between limits that risk nothing that counts."""
    low = float(_beta(max(least, 1), sample - max(least, 1) + 1, np.array([1e-9]))[0]) if least else 0.0
    high = float(_beta(most + 1, max(sample - most, 1), np.array([1 - 1e-9]))[0]) if most < sample else 1.0
    first = max(least, int(low * population))
    last = min(population - sample + most, int(np.ceil(high * population)))
    return np.unique(np.round(np.linspace(first, last, min(_GRID, last - first + 1))))


def _chances(grid: Array, population: int, sample: int, most: int) -> Array:
    """Row k holds P(fewer than k positives in the sample) for each number of positives in the population."""
    from scipy.special import gammaln

    def choose(n: Array, k: Array) -> Array:
        held = (k >= 0) & (k <= n)
        n, k = np.where(held, n, 1.0), np.where(held, k, 0.0)
        ways: Array = np.where(held, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)
        return ways

    k = np.arange(most + 1, dtype=np.float64)[:, None]
    found = choose(grid, k) + choose(population - grid, sample - k)
    all_ways = gammaln(population + 1) - gammaln(sample + 1) - gammaln(population - sample + 1)
    below = np.cumsum(np.exp(found - all_ways), axis=0)
    chances: Array = np.minimum(np.concatenate([np.zeros((1, len(grid))), below]), 1.0)
    return chances


def _beta(a: float, b: float, levels: Array) -> Array:
    from scipy.special import betaincinv

    found: Array = betaincinv(a, b, levels)
    return found
