"""Two judges on the same images: what is their difference worth? Paired intervals and tests.

The interval resamples whole parts, for two images of one part are not two pieces of evidence. The test
is McNemar's, exact, on the images whose correctness differs; it takes images for independent, so where
parts have several images, trust the interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[float, float]

DRAWS = 4000
_CHUNK = 500  # draws at once, so that memory stays flat


def resampled(values: Array, parts: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> Array:
    """Bootstrap sums of values, with parts as units (Efron and Tibshirani 1993, chapters 6 and 13).

    All columns of one draw are of the same parts, so differences and ratios of columns stay paired.

    Args:
        values: n x m, m numbers of each image.
        parts: part id of each image, "" for a part of its own.
        draws: bootstrap samples.
        seed: the seed of the draws.

    Returns:
        draws x m sums over the drawn parts.
    """
    keys = [part or f"\0{at}" for at, part in enumerate(parts)]
    _, index = np.unique(np.array(keys, dtype=object), return_inverse=True)
    sums = np.zeros((int(index.max()) + 1, values.shape[1]))
    np.add.at(sums, index.ravel(), values)
    n, rng = len(sums), np.random.default_rng(seed)
    return np.vstack(
        [
            rng.multinomial(n, np.full(n, 1 / n), size=min(_CHUNK, draws - at)) @ sums
            for at in range(0, draws, _CHUNK)
        ]
    )


def interval(samples: Array, confidence: float = 0.95) -> Interval:
    """Percentile interval of bootstrap samples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, (tail, 1 - tail))
    return float(low), float(high)


def mcnemar(mended: int, spoiled: int) -> float:
    """Two-sided exact p of McNemar's test (1947): are changes for the better as likely as for the worse?

    Args:
        mended: images that only the second judge has right.
        spoiled: images that only the first has right.
    """
    from scipy.stats import binomtest

    if mended + spoiled == 0:
        return 1.0
    return float(binomtest(mended, mended + spoiled).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several tests, so that one false finding among all has the stated risk (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    scaled = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return [float(value) for value in adjusted]
