"""Certified risk: what the edge may decide alone, from finitely many calibration images and no assumption
on how scores are distributed.

With confidence 1 - delta over the draw of the calibration images both hold at once:

    P(the edge passes a frame | it is a defect) <= alpha
    P(the edge rejects a frame | it is a good) <= beta

The method is learn-then-test with fixed-sequence testing (Angelopoulos, Bates, Candes, Jordan and Lei 2021,
"Learn then Test", arXiv:2110.01052). The escape side tests one hypothesis for each score s, "P(score < s |
defect) > alpha", from low scores to high and stops at the first that is not rejected, so no correction
for many tests is due. The p-value of s is exact: P(Binomial(n, alpha) <= k) where k of the n calibration
defects score below s (Clopper and Pearson 1934). As k grows with s, the sequence ends at an order statistic:
with k* the largest k whose p-value is within the level, the edge may pass what scores below the
(k* + 1)-th lowest defect. "Below" is strict, so the bound holds with ties as well. The goods' side is its
mirror.

The two sides share delta by the *counts* of images alone, never by their scores: the escape side takes the
exact level of its k* and the goods' side what is left (Bonferroni, so nothing is assumed of
how the two sides depend on each other). Where k* > 0 it is lowered until a tenth of delta is left and the
goods' side can be certified; k* = 0 may take all: 45 defects certify alpha .05 at delta .1.

It holds for frames exchangeable with the calibration units. A unit is a part (``by_part``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.profile import OPEN, Certificate, Gate
from saec.schedule.statistics.threshold import sorted_scores

Array = NDArray[np.float64]

GOODS_SHARE = 0.1
"""Share of delta that is kept for the goods' side as long as an escape among the defects can be spared."""


def certify(
    goods: Sequence[float] | Array,
    defects: Sequence[float] | Array,
    *,
    alpha: float,
    beta: float,
    delta: float,
    stand_ins: bool = False,
) -> Certificate:
    """The two scores outside of which the edge may decide alone.

    Args:
        goods: score of each unit of goods, as if unseen (cross-fitted); may be empty.
        defects: score of each unit of labelled defects; may be empty.
        alpha, beta: escape rate and overkill rate asked, in (0, 1).
        delta: the chance that either is exceeded, in (0, 1).
        stand_ins: ``defects`` are procedural ones.

    Returns:
        The certificate; a side that cannot be certified has no score.

    Raises:
        ConfigError: a rate outside (0, 1).
        DataError: a score that is not finite.
    """
    for name, value in (("alpha", alpha), ("beta", beta), ("delta", delta)):
        if not 0.0 < value < 1.0:
            raise ConfigError(f"{name} {value:g} is not between 0 and 1", "give a share such as 0.05")
    good, defect = sorted_scores(goods, "goods"), sorted_scores(defects, "defects")
    escapes, overkills = shares_of(len(defect), len(good), alpha=alpha, beta=beta, delta=delta)
    return Certificate(
        alpha=alpha,
        beta=beta,
        delta=delta,
        pass_below=float(defect[escapes]) if escapes >= 0 else None,
        reject_above=float(good[len(good) - 1 - overkills]) if overkills >= 0 else None,
        defects=len(defect),
        goods=len(good),
        escapes=max(escapes, 0),
        overkills=max(overkills, 0),
        stand_ins=stand_ins,
    )


def shares_of(n_defects: int, n_goods: int, *, alpha: float, beta: float, delta: float) -> tuple[int, int]:
    """How many calibration units may lie on the wrong side: (escapes, overkills); -1 certifies nothing.

    A function of the counts alone, so that the two tests, each at its own share of delta, hold together.
    """
    needed = (1.0 - beta) ** n_goods  # below this level no overkill rate beta can be certified
    escapes = most_misses(n_defects, alpha, delta - max(needed, GOODS_SHARE * delta))
    if escapes < 0:
        escapes = most_misses(n_defects, alpha, delta)
    spent = level_of(n_defects, alpha, escapes) if escapes >= 0 else 0.0
    return escapes, most_misses(n_goods, beta, delta - spent)


def most_misses(n: int, rate: float, level: float) -> int:
    """The most misses among n that reject "the rate is higher" at a level; -1 where even none does not."""
    misses = -1
    while misses + 1 < n and level_of(n, rate, misses + 1) <= level:
        misses += 1
    return misses


def level_of(n: int, rate: float, misses: int) -> float:
    """The exact p-value: the chance of at most so many misses among n at this rate."""
    from scipy.special import bdtr

    return (1.0 - rate) ** n if misses == 0 else float(bdtr(misses, n, rate))


def certifiable_rate(n: int, level: float) -> float:
    """The least rate that n units without a miss certify at a level; 1 without any."""
    return -math.expm1(math.log(level) / n) if n else 1.0


def units_needed(rate: float, level: float) -> int:
    """How many units without a miss certify a rate at a level."""
    n = max(1, math.ceil(math.log(level) / math.log1p(-rate)) - 1)  # one less, for what rounding adds
    while level_of(n, rate, 0) > level:
        n += 1
    return n


def left_for_goods(n_defects: int, n_goods: int, *, alpha: float, beta: float, delta: float) -> float:
    """The level at which the goods' side is tested, after what the escape side has taken."""
    escapes, _ = shares_of(n_defects, n_goods, alpha=alpha, beta=beta, delta=delta)
    return delta - (level_of(n_defects, alpha, escapes) if escapes >= 0 else 0.0)


def certified_gate(certificate: Certificate, threshold: float) -> Gate:
    """The gate of a certificate; it holds the threshold, which can only widen it and so keeps both bounds.

    A side without a certificate is open: the edge passes, or rejects, nothing alone.
    """
    low, high = certificate.pass_below, certificate.reject_above
    return Gate(
        low=-OPEN if low is None else min(low, threshold),
        high=OPEN if high is None else max(high, threshold),
        basis="certified",
    )


def by_part(scores: Mapping[str, float], parts: Mapping[str, str], *, defects: bool) -> list[float]:
    """One score per part, the one that is worst for the bound; an image of unknown part is its own.

    A part is then missed when any of its images is, which is no rarer than an image of it being missed.

    Args:
        scores: the scores by content hash.
        parts: content hash -> part id, "" or missing when unknown.
        defects: whether these are defects, whose lowest score is the worst, or goods, whose highest is.
    """
    worst = min if defects else max
    units: dict[tuple[bool, str], float] = {}
    for sha, score in scores.items():
        part = parts.get(sha, "")
        unit = (bool(part), part or sha)
        units[unit] = worst(units.get(unit, score), score)
    return list(units.values())


def escape_share(prevalence: float, escape: float, passed_goods: float) -> float | None:
    """The share of defects among passed frames (not the escape rate); None where nothing is passed.

    Args:
        prevalence: share of defects among all frames.
        escape: P(passed | defect).
        passed_goods: P(passed | good).
    """
    through, good = prevalence * escape, (1.0 - prevalence) * passed_goods
    return through / (through + good) if through + good > 0 else None
