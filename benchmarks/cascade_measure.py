"""What a cascade is worth beside its edge, from the opinions of both: pure sums, no model is asked here.

Everything that a label needs (threshold, gate, P(defect), trust, fusion) is computed from calibration images
by the functions that ``saec calibrate`` calls; the test images' truth is used to count, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from cascade_opinions import Judged, Opinions, opinions
from numpy.typing import NDArray

from saec.profile import Calibration, CloudTrust, Gate
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.trust import fused_label, trust_cloud
from saec.schedule.statistics.auroc import auroc
from saec.settings import FitConfig, GateConfig
from saec.settings.threshold_rule import GOODS_ALONE, ThresholdRule
from saec.types import DEFECT, GOOD

Array = NDArray[np.float64]
Threshold = Literal["goods", "even"]
Asked = Literal["ranked", "gate", "default"]

THRESHOLDS: dict[Threshold, str] = {
    "goods": "the line's own threshold (5 % overkill asked of goods)",
    "even": "the threshold at P(defect) = .5, from the labelled calibration defects as well",
}
ASKED: dict[Asked, str] = {
    "ranked": "exactly the share of test frames nearest the threshold (needs all frames first: no stream)",
    "gate": "the frames inside a gate that holds the share of calibration images (a stream can do this)",
    "default": "the frames inside the line's default gate, P(defect) .1 to .9",
}


@dataclass(frozen=True)
class Outcome:
    """Labels of one line's test images, goods first, under one way of asking."""

    edge: NDArray[np.int64]
    cascade: NDArray[np.int64]
    asked: NDArray[np.bool_]
    trust: CloudTrust


@dataclass(frozen=True)
class LineData:
    """One line's opinions and the calibration that its images give."""

    name: str
    calibration: Calibration
    known: Opinions
    test: Opinions

    @classmethod
    def of(cls, name: str, judged: list[Judged]) -> LineData:
        goods = {j.sha256: j.score for j in judged if j.role == "calibration" and j.truth == GOOD}
        known = opinions(judged, "calibration")
        return cls(name, _calibration(goods, known.edge_defect), known, opinions(judged, "test"))

    @property
    def truth(self) -> NDArray[np.int64]:
        goods, defects = len(self.test.edge_good), len(self.test.edge_defect)
        return np.repeat(np.array([GOOD, DEFECT]), [goods, defects])

    @property
    def edge_auroc(self) -> float:
        return auroc(self.test.edge_good, self.test.edge_defect)

    @property
    def cloud_auroc(self) -> float:
        return auroc(self.test.cloud_good, self.test.cloud_defect)

    @property
    def cloud_labels(self) -> NDArray[np.int64]:
        opinions = np.concatenate([self.test.cloud_good, self.test.cloud_defect])
        return (opinions >= 0.5).astype(np.int64)


def _calibration(goods: Mapping[str, float], defects: Array) -> Calibration:
    """What ``saec calibrate`` makes of these scores with its defaults."""
    settings = FitConfig()
    return calibrate(
        goods,
        defects.tolist(),
        rule=ThresholdRule(overkill_rate=GOODS_ALONE),
        gate=GateConfig(),
        prevalence=settings.prevalence,
        created="",
    )


def half_calibrates(judged: list[Judged], seed: int) -> list[Judged]:
    """The same images with a random half of the test defects moved to the calibration; no image is copied."""
    defects = sorted(j.sha256 for j in judged if j.role == "test" and j.truth == DEFECT)
    moved = set(np.random.default_rng(seed).permutation(defects)[: len(defects) // 2].tolist())
    return [msgspec.structs.replace(j, role="calibration") if j.sha256 in moved else j for j in judged]


def outcome(line: LineData, threshold: Threshold, how: Asked, share: float) -> Outcome:
    """Judge the test images of a line by the edge alone and by the cascade, at the same threshold."""
    calibration = _placed(line, threshold, how, share)
    known, test = line.known, line.test
    trust = trust_cloud(
        "cloud",
        "",
        known.edge_good,
        known.edge_defect,
        known.cloud_good,
        known.cloud_defect,
        calibration,
    )
    scores, p = np.r_[test.edge_good, test.edge_defect], np.r_[test.cloud_good, test.cloud_defect]
    edge = (scores >= calibration.threshold).astype(np.int64)
    if how == "ranked":
        asked = _nearest(scores, calibration.threshold, share)
    else:
        asked = (scores >= calibration.gate.low) & (scores <= calibration.gate.high)
    if trust.mode == "unasked":
        asked[:] = False
    cascade = edge.copy()
    for i in np.flatnonzero(asked):
        cascade[i] = fused_label(calibration, trust, float(scores[i]), float(p[i]))
    return Outcome(edge, cascade, asked, trust)


def best_answers(line: LineData, share: float) -> NDArray[np.int64]:
    """Labels at P(defect) = .5 where that share nearest the threshold is answered by the truth itself."""
    scores = np.r_[line.test.edge_good, line.test.edge_defect]
    threshold = _placed(line, "even", "ranked", share).threshold
    edge = (scores >= threshold).astype(np.int64)
    return np.where(_nearest(scores, threshold, share), line.truth, edge)


def _nearest(scores: Array, threshold: float, share: float) -> NDArray[np.bool_]:
    nearest = np.argsort(np.abs(scores - threshold), kind="stable")
    asked = np.zeros(len(scores), np.bool_)
    asked[nearest[: round(share * len(scores))]] = True
    return asked


def _placed(line: LineData, threshold: Threshold, how: Asked, share: float) -> Calibration:
    """The line's calibration with that threshold and gate, as ``saec calibrate --threshold --gate-low
    --gate-high`` places them."""
    plain = line.calibration
    at = plain.threshold
    if threshold == "even":
        assert plain.p_defect is not None
        at = plain.p_defect.centre - plain.p_defect.offset / plain.p_defect.slope
    if how == "default":
        low, high = plain.gate.low, plain.gate.high
    else:
        reach = _reach(line.known, at, share)
        low, high = at - reach, at + reach
    return msgspec.structs.replace(
        plain, threshold=at, gate=Gate(low=min(low, at), high=max(high, at), basis="p_defect")
    )


def _reach(known: Opinions, threshold: float, share: float) -> float:
    """The distance from the threshold within which that share of the calibration images lies.

    Goods and defects weigh the same in all, as they do in the test.
    """
    distance = np.abs(np.r_[known.edge_good, known.edge_defect] - threshold)
    n_good, n_defect = len(known.edge_good), len(known.edge_defect)
    weight = np.r_[np.full(n_good, 0.5 / n_good), np.full(n_defect, 0.5 / n_defect)]
    order = np.argsort(distance, kind="stable")
    within = np.searchsorted(np.cumsum(weight[order]), share)
    return float(distance[order][min(int(within), len(distance) - 1)])


def accuracy(labels: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of right labels, goods and defects weighing the same: plain accuracy where they are as many."""
    right = labels == truth
    return float((right[truth == GOOD].mean() + right[truth == DEFECT].mean()) / 2)


def interval(
    gains: list[tuple[Array, Array]], *, over_lines: bool, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % paired-bootstrap interval of the mean gain in accuracy.

    Args:
        gains: of each line, for its goods and for its defects: right in the second way minus right in the
            first, -1, 0 or 1 for each frame.
        over_lines: resample the lines as well as the frames within them.
    """
    rng = np.random.default_rng(seed)
    means = np.empty((len(gains), draws))
    for row, classes in zip(means, gains, strict=True):
        row[:] = sum(rng.choice(g, (draws, len(g))).mean(axis=1) for g in classes) / 2
    if over_lines:
        chosen = rng.integers(len(gains), size=(len(gains), draws))
        # each draw of a line takes frames of its own: columns are shuffled apart for every pick
        picks = rng.integers(draws, size=(len(gains), draws))
        means = means[chosen, picks]
    low, high = np.quantile(means.mean(axis=0), (0.025, 0.975))
    return float(low), float(high)


def gains(
    truth: NDArray[np.int64], before: NDArray[np.int64], after: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Right after minus right before, of the goods and of the defects."""
    change = (after == truth).astype(np.float64) - (before == truth)
    return change[truth == GOOD], change[truth == DEFECT]
