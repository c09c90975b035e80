"""Two judges on the same sampled images: the error rate of each, and their difference, with intervals.

Images were drawn with known probabilities, so each stands for as many as its weight says. Several images of
one part count as one piece of evidence. Both enter as the effective number of images (Kish, Survey Sampling,
1965): n = (sum of weights)^2 / sum of squared weights, with the weights of a part put together. Then

- a rate has the exact interval of rate * n errors in n (Korn and Graubard, Survey Methodology 24, 1998);
- a difference has the adjusted Wald interval of Bonett and Price (Journal of Educational and Behavioral
  Statistics 37, 2012), which covers in small samples, and without any image on which both differ;
- McNemar's exact test counts images, unweighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from saec.schedule.statistics.paired import Interval, mcnemar


@dataclass(frozen=True, slots=True)
class PairedImage:
    """One image that two judges have judged.

    Attributes:
        before, after: whether the first, and the second, is wrong about it.
        weight: the number of images that it stands for, more than 0.
        part: id of its part, "" for a part of its own.
    """

    before: bool
    after: bool
    weight: float = 1.0
    part: str = ""


@dataclass(frozen=True, slots=True)
class PairedRates:
    """Shares of images about which a judge is wrong.

    Attributes:
        images, parts: how many there are.
        effective: the effective number of images.
        before, after: the rates.
        before_span, after_span: their intervals.
        difference: how much ``after`` lies above ``before``; below 0 the second is better.
        difference_span: its interval.
        mended, spoiled: images about which only the first, and only the second, is wrong.
        p: McNemar's, two-sided.
    """

    images: int
    parts: int
    effective: float
    before: float
    before_span: Interval
    after: float
    after_span: Interval
    difference: float
    difference_span: Interval
    mended: int
    spoiled: int
    p: float


def paired_rates(images: Sequence[PairedImage], confidence: float = 0.95) -> PairedRates | None:
    """Compare two judges; None without images.

    Args:
        images: all of one kind, such as all defects.
        confidence: how often each interval is to cover.

    Raises:
        ValueError: a weight is not positive.
    """
    if not images:
        return None
    weights = np.array([image.weight for image in images], dtype=np.float64)
    if not (weights > 0).all():
        raise ValueError("a weight is not positive")
    keys = [image.part or f"\0{at}" for at, image in enumerate(images)]
    _, index = np.unique(np.array(keys, dtype=object), return_inverse=True)
    units = np.bincount(index.ravel(), weights=weights)
    total = float(weights.sum())
    effective = total**2 / float((units**2).sum())
    wrong = np.array([(image.before, image.after) for image in images], dtype=np.float64)
    before, after = (float(rate) for rate in weights @ wrong / total)
    mended, spoiled = wrong[:, 0] > wrong[:, 1], wrong[:, 1] > wrong[:, 0]
    return PairedRates(
        images=len(images),
        parts=len(units),
        effective=effective,
        before=before,
        before_span=sampled_interval(before, effective, confidence),
        after=after,
        after_span=sampled_interval(after, effective, confidence),
        difference=after - before,
        difference_span=_difference(_share(mended, weights), _share(spoiled, weights), effective, confidence),
        mended=int(mended.sum()),
        spoiled=int(spoiled.sum()),
        p=mcnemar(int(mended.sum()), int(spoiled.sum())),
    )


def sampled_interval(rate: float, effective: float, confidence: float = 0.95) -> Interval:
    """The exact interval of a rate in an effective number of images, which need not be whole."""
    from scipy.special import betaincinv

    tail, wrong = (1 - confidence) / 2, rate * effective
    low = float(betaincinv(wrong, effective - wrong + 1, tail)) if wrong > 0 else 0.0
    high = float(betaincinv(wrong + 1, effective - wrong, 1 - tail)) if wrong < effective else 1.0
    return low, high


def _share(chosen: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(weights[chosen].sum() / weights.sum())


def _difference(mended: float, spoiled: float, effective: float, confidence: float) -> Interval:
    better, worse = ((share * effective + 1) / (effective + 2) for share in (mended, spoiled))
    middle = worse - better
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    reach = z * float(np.sqrt(max(0.0, better + worse - middle**2) / (effective + 2)))
    return max(-1.0, middle - reach), min(1.0, middle + reach)
