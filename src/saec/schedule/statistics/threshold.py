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

Few goods, from three on: the tail then takes all scores but one or two, so that nearly the whole
distribution is held to be exponential. This is on the safe side: asked 5 %, the mean of what comes true is
0.9 to 3.5 % with 3 or 4 goods on the laws named above, and 5 % on exponential ones. It costs missed
defects, for the threshold lies higher than one from many goods. It is uncertain, too: ``overkill_range`` says
how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError

Array = NDArray[np.float64]

MIN_GOODS = 3
"""Fewer goods than this say nothing of a tail."""

FEW_GOODS = 20
"""With fewer goods than this a threshold is so uncertain that whoever sets it should be told."""


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
    n, k = len(x), _tail_size(len(x))
    reach = (k + 1) / (n + 1)
    if overkill >= reach:
        threshold = _order_statistic(x, (1.0 - overkill) * (n + 1))
    else:
        # expm1 keeps the precision where the rate asked is close to where the tail begins
        factor = math.expm1(math.log(reach / overkill) / k)
        threshold = float(x[n - k - 1] + factor * (x[n - k :] - x[n - k - 1]).sum())
    return _above_ties(x, threshold, overkill)


def share_above(scores: Array, at: Array, *, strictly: bool = False) -> Array:
    """The probability that a new score reaches each of ``at``; the inverse of ``threshold_for``.

    Args:
        scores: sorted, at least one.
        at: the points, of any shape.
        strictly: that it lies above them. The two differ only where scores tie on a point.

    Returns:
        The probabilities, of the shape of ``at``. Below the lowest of n scores each is n / (n + 1).
    """
    n, k = len(scores), _tail_size(len(scores))
    first, after = (np.searchsorted(scores, at, side=side) for side in ("left", "right"))
    below, above = scores[np.maximum(first - 1, 0)], scores[np.minimum(first, n - 1)]
    gap = np.where(above > below, above - below, 1.0)
    position = np.clip(first + (at - below) / gap, 1.0, n)
    position = np.where(first < after, after if strictly else first + 1, position)
    reach, start = (k + 1) / (n + 1), scores[n - k - 1]
    share = np.maximum((n + 1 - position) / (n + 1), reach)  # more than that only where scores tie
    excess = float((scores[n - k :] - start).sum())
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tail = reach * (1.0 + (at - start) / excess) ** -float(k)
    return np.asarray(np.where(at > start, np.nan_to_num(tail), share))


def overkill_range(goods: int, overkill: float, confidence: float = 0.9) -> tuple[float, float]:
    """Between which rates the real overkill of ``threshold_for`` lies, were the goods' tail exponential.

    The tail of k scores starts at a score that V of all goods exceed, with V from Beta(k + 1, n - k), and the
    sum of the excesses over it is Gamma(k), in units of the exponential's scale (Renyi 1953). So a threshold
    realises V exp(-c Gamma(k)). One in the body is an order statistic i, with Beta(n + 1 - i, i).

    Args:
        goods: number n of goods, at least ``MIN_GOODS``.
        overkill: the rate that is asked, in (0, 1).
        confidence: the share of such lines that the two rates hold between them.

    Returns:
        The lower and the upper rate.
    """
    from scipy.special import betaincinv, gammaincc

    k, tails = _tail_size(goods), ((1.0 - confidence) / 2, (1.0 + confidence) / 2)
    reach = (k + 1) / (goods + 1)
    if overkill >= reach:
        a, b = overkill * (goods + 1), (1.0 - overkill) * (goods + 1)
        return float(betaincinv(a, b, tails[0])), float(betaincinv(a, b, tails[1]))
    factor = math.expm1(math.log(reach / overkill) / k)
    starts = betaincinv(k + 1, goods - k, (np.arange(400) + 0.5) / 400)

    def chance(rate: float) -> float:
        """How often the real rate is at most ``rate``."""
        return float(gammaincc(k, np.maximum(0.0, np.log(starts / rate)) / factor).mean())

    return _reached(chance, tails[0]), _reached(chance, tails[1])


def mean_distance(goods: int, overkill: float) -> float:
    """How far out ``threshold_for`` lies on exponential goods: on average, as a multiple of the right place.

    Both distances are from the lowest score that a good can have. Few goods give more than 1: a threshold
    that is too low rejects many more, one that is too high only a few less. So the mean rate comes true only
    where most thresholds are too high.
    """
    k = _tail_size(goods)
    start = sum(1.0 / i for i in range(k + 1, goods + 1))
    factor = math.expm1(max(0.0, math.log((k + 1) / (goods + 1) / overkill)) / k)
    return (start + factor * k) / -math.log(overkill)


def _reached(chance: Callable[[float], float], level: float) -> float:
    """The rate at which a rising chance reaches a level, by halving."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < level else (low, middle)
    return high


def _tail_size(n: int) -> int:
    """How many of n scores count as the tail."""
    return min(max(3, round(math.sqrt(n))), n - 1)


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
