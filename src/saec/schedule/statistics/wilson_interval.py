"""The score interval of a share."""

from __future__ import annotations

import math


def wilson_interval(k: int, n: int, z: float = 1.959964) -> tuple[float, float] | None:
    """95 % interval of a share of k in n independent cases (Wilson 1927); None for n = 0.

    It is cheap, needs no SciPy, and stays within 0 and 1 where few or no cases are counted.

    Args:
        k: how many of them count.
        n: all of them.
        z: normal quantile of the confidence.
    """
    if n == 0:
        return None
    share, square = k / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    low = 0.0 if k == 0 else max(0.0, middle - half)
    return low, 1.0 if k == n else min(1.0, middle + half)
