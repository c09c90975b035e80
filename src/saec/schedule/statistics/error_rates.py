"""Thresholds that weigh both errors, from the scores of goods and of labelled defects.

Both error rates are stated for a *new* frame, by the predictive law of ``threshold.py``: order statistics and
an exponential tail. For defects the law is mirrored, for theirs is the lower tail.

- An escape rate takes order statistics alone. A new defect lies below the i-th lowest of m scores with
  probability i / (m + 1) on average, whatever the distribution (the rule of split conformal prediction).
  Below 1 / (m + 1) nothing can be promised, since no score lies there.
- Costs take the threshold at which w * escape rate + overkill rate is smallest, where w says how much more
  a missed defect weighs. The sample's own rates are steps, and their best threshold is one of chance: it may
  lie anywhere in the gap between goods and defects. The two laws are continuous, and in that gap they weigh
  how the tails on both sides fall.

``benchmarks/threshold.py --costs`` compares it with the sample's own best threshold, two normal fits, kernel
densities and a logistic curve, on known distributions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError
from saec.schedule.statistics.threshold import share_above, sorted_scores

Array = NDArray[np.float64]

MIN_DEFECTS = 2
"""One defect says nothing of how the scores of others spread."""

_STEPS = 16
# Points between two neighbouring scores at which the sum of both rates is looked at.


def escape_threshold(defects: Sequence[float] | Array, escape_rate: float) -> float:
    """The score below which a new defect falls with probability ``escape_rate``, or the nearest that holds.

    Args:
        defects: scores of labelled defects as if unseen, at least one.
        escape_rate: the share of defects that may be missed, in (0, 1).

    Returns:
        The threshold. Below ``least_escape_rate`` it is the score of the lowest defect.

    Raises:
        DataError: no defects, or a score that is not finite.
        ConfigError: ``escape_rate`` is no share.
    """
    if not 0.0 < escape_rate < 1.0:
        raise ConfigError(f"escape rate {escape_rate:g} is not between 0 and 1", "give a share such as 0.05")
    x = sorted_scores(defects, "defects")
    need_defects(len(x), 1)
    return float(np.interp(escape_rate * (len(x) + 1), np.arange(1, len(x) + 1), x))


def need_defects(found: int, least: int) -> None:
    """Raise DataError where there are fewer labelled defects than a threshold needs."""
    if found < least:
        known = "1 labelled defect is" if found == 1 else f"{found or 'no'} labelled defects are"
        raise DataError(
            f"{known} too few to choose the threshold by what is missed",
            f"give at least {least}, or choose it by overkill_rate",
        )


def least_escape_rate(defects: int) -> float:
    """The smallest escape rate that can be promised from so many labelled defects, on average."""
    return 1.0 / (defects + 1)


def defects_needed(escape_rate: float) -> int:
    """How many labelled defects an escape rate needs."""
    return math.ceil(1.0 / escape_rate - 1.0 - 1e-9)


@dataclass(frozen=True, slots=True)
class ErrorCurves:
    """Both error rates of a new frame as functions of the threshold.

    Attributes:
        thresholds: rising, from the lowest good to the highest known score.
        escapes: P(a new defect scores below the threshold); never falls.
        overkills: P(a new good reaches the threshold); never rises.
    """

    thresholds: Array
    escapes: Array
    overkills: Array

    def cheapest(self, weight: float) -> float:
        """The threshold with the smallest ``weight * escape rate + overkill rate``, the lowest of them.

        A greater weight never gives a higher threshold.
        """
        return float(self.thresholds[int(np.argmin(weight * self.escapes + self.overkills))])


def error_curves(goods: Array, defects: Array) -> ErrorCurves:
    """Both error rates, at the known scores and at points between them.

    Args:
        goods: sorted scores of goods, at least three.
        defects: sorted scores of labelled defects, at least ``MIN_DEFECTS``.

    Raises:
        DataError: too few defects.
    """
    need_defects(len(defects), MIN_DEFECTS)
    known = np.unique(np.concatenate([goods, defects[defects > goods[0]]]))
    parts = np.arange(_STEPS) / _STEPS
    between = (known[:-1, None] + (known[1:] - known[:-1])[:, None] * parts).ravel()
    at = np.append(between, known[-1])
    escapes = share_above(-defects[::-1], -at, strictly=True)
    return ErrorCurves(at, escapes, share_above(goods, at))
