"""The exact interval of a share."""

from __future__ import annotations

from saec.schedule.statistics.paired import Interval


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Exact interval of a share of k in n (Clopper and Pearson 1934); None for n = 0."""
    from scipy.special import betaincinv

    if n == 0:
        return None
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high
