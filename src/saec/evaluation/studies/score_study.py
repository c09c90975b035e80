"""How far a line's anomaly score scatters when the same part comes again, and what its labels make of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from saec.evaluation.studies.trials import PartTrial

GUARD_BAND = 2.0
"""Standard deviations of the repeated score on each side of the threshold within which labels may change."""


class PartScores(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one part.

    Attributes:
        part: its id.
        truth: what it is; None when unknown.
        scores: one for each trial.
        flips: expected share of trials with the other label than its mean score has, for a normal scatter.
    """

    part: str
    truth: int | None
    scores: list[float]
    flips: float


class ScoreStudy(msgspec.Struct, frozen=True, kw_only=True):
    """Variance components of the score (one-way random effects; Searle, Casella and McCulloch 1992).

    Attributes:
        parts: those with at least two scores, by rising mean score.
        repeat_deviation: standard deviation of the score when the same part comes again.
        part_deviation: standard deviation between parts.
        repeat_share: the repeat deviation as a share of the total deviation ("gauge R&R" of the score).
        correlation: intraclass correlation: the share of the variance that parts explain.
        threshold: score from which on the line says defect.
        gate: the scores between which the edge is not sure.
        guard_band: the scores between which repeated trials may change the label.
        covered: whether the gate covers the guard band, so that what may change is asked about.
    """

    parts: list[PartScores]
    repeat_deviation: float
    part_deviation: float
    repeat_share: float | None
    correlation: float | None
    threshold: float
    gate: tuple[float, float]
    guard_band: tuple[float, float]
    covered: bool


def score_study(
    trials: Sequence[PartTrial], threshold: float, gate: tuple[float, float]
) -> ScoreStudy | None:
    """The study of a line's scores; None where fewer than two parts have two scores.

    Args:
        trials: those of the line.
        threshold: the line's.
        gate: the line's.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    truths = {trial.part: trial.truth for trial in trials}
    for trial in trials:
        if trial.score is not None:
            scores[trial.part].append(trial.score)
    repeated = {part: some for part, some in scores.items() if len(some) > 1}
    if len(repeated) < 2:
        return None
    within, between = _components([np.asarray(some) for some in repeated.values()])
    repeat, total = math.sqrt(within), math.sqrt(within + between)
    band = (threshold - GUARD_BAND * repeat, threshold + GUARD_BAND * repeat)
    parts = [
        PartScores(part=part, truth=truths[part], scores=some, flips=_flips(some, threshold, repeat))
        for part, some in sorted(repeated.items(), key=lambda one: float(np.mean(one[1])))
    ]
    return ScoreStudy(
        parts=parts,
        repeat_deviation=repeat,
        part_deviation=math.sqrt(between),
        repeat_share=repeat / total if total else None,
        correlation=between / (within + between) if total else None,
        threshold=threshold,
        gate=gate,
        guard_band=band,
        covered=gate[0] <= band[0] and band[1] <= gate[1],
    )


def _components(groups: Sequence[np.ndarray[Any, np.dtype[np.float64]]]) -> tuple[float, float]:
    """Variances within and between parts, by the method of moments, with unequal numbers of trials."""
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    means = np.array([group.mean() for group in groups])
    total, count = sizes.sum(), len(groups)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / float(total - count)
    grand = float((sizes * means).sum() / total)
    mean_square = float((sizes * (means - grand) ** 2).sum() / (count - 1))
    typical = float(total - (sizes**2).sum() / total) / (count - 1)
    return within, max(0.0, (mean_square - within) / typical)


def _flips(scores: Sequence[float], threshold: float, deviation: float) -> float:
    distance = abs(float(np.mean(scores)) - threshold)
    if deviation == 0:
        return 0.0
    return 0.5 * math.erfc(distance / deviation / math.sqrt(2))
