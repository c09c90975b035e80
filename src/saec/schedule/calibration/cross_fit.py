"""Labels of images that edge and cloud have judged: by the line's fusion, or by one fitted on other parts.

A fusion that is measured on the images it was fitted on flatters the cloud. So where the line has none
for this cloud, each part gets its labels from a fusion that was fitted without that part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.folds import part_folds
from saec.profile import Calibration, CloudTrust
from saec.schedule.calibration.score_calibration import fit_sigmoid
from saec.schedule.calibration.trust import MIN_LABELLED, fused_label, trust_cloud
from saec.types import DEFECT, GOOD

Labels = NDArray[np.int64]
Array = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """n labelled images.

    Attributes:
        truth: GOOD or DEFECT.
        score: the edge's, of a line that has not seen the images.
        cloud: the cloud's P(defect), NaN where it failed.
        parts: part id, "" for a part of its own.
    """

    truth: Labels
    score: Array
    cloud: Array
    parts: Sequence[str]


def edge_labels(calibration: Calibration, score: Array) -> Labels:
    """The edge's labels at the line's threshold."""
    return (score >= calibration.threshold).astype(np.int64)


def line_labels(calibration: Calibration, trust: CloudTrust, opinions: Opinions) -> Labels:
    """Labels when every frame is asked about, by a given fusion; the edge's where the cloud failed."""
    labels = edge_labels(calibration, opinions.score)
    for at in np.flatnonzero(~np.isnan(opinions.cloud)):
        labels[at] = fused_label(calibration, trust, float(opinions.score[at]), float(opinions.cloud[at]))
    return labels


def cross_fitted_labels(
    calibration: Calibration, opinions: Opinions, *, seed: int = 0
) -> tuple[Labels, int] | None:
    """Labels when every frame is asked about, by fusions that are fitted on the other parts.

    In each of five folds the cloud's trust is decided as ``saec calibrate`` would, on the images of the
    other folds; where it earns none, the edge's labels stand. A line without P(defect) gets one from its
    goods and the other folds' defects.

    Returns:
        The labels and in how many folds the cloud earned its say; None for too few images to tell.
    """
    labels, fused = edge_labels(calibration, opinions.score), 0
    fold = _folds(opinions, seed)
    for k in range(FOLDS):
        known = (fold != k) & ~np.isnan(opinions.cloud)
        good, defect = known & (opinions.truth == GOOD), known & (opinions.truth == DEFECT)
        if min(good.sum(), defect.sum()) < MIN_LABELLED:
            return None
        score, cloud = opinions.score, opinions.cloud
        fitted = _with_p_defect(calibration, score[good], score[defect])
        trust = trust_cloud("", "", score[good], score[defect], cloud[good], cloud[defect], fitted)
        fused += trust.mode == "fused"
        held = np.asarray(fold == k)
        labels[held] = line_labels(fitted, trust, _taken(opinions, held))
    return labels, fused


def recalibrated_labels(opinions: Opinions, *, seed: int = 0) -> Labels | None:
    """The edge alone with the threshold of the highest expected accuracy, cross-fitted on the same images.

    The control: what the labels give without any cloud. None for too few images to tell.
    """
    fold, labels = _folds(opinions, seed), np.zeros(len(opinions.truth), np.int64)
    for k in range(FOLDS):
        rest = fold != k
        good, defect = (np.sort(opinions.score[rest & (opinions.truth == side)]) for side in (GOOD, DEFECT))
        if min(len(good), len(defect)) < MIN_LABELLED:
            return None
        share = len(defect) / (len(good) + len(defect))
        sigmoid = fit_sigmoid(good, defect, threshold=float(np.quantile(good, 0.95)), prevalence=share)
        labels[~rest] = [sigmoid(float(score)) >= 0.5 for score in opinions.score[~rest]]
    return labels


def _folds(opinions: Opinions, seed: int) -> NDArray[np.int64]:
    """Folds by part, with the parts that have a defect and those that have none spread over them alike."""
    keys = [part or f"\0{at}" for at, part in enumerate(opinions.parts)]
    defective = {key for key, truth in zip(keys, opinions.truth, strict=True) if truth == DEFECT}
    fold = np.zeros(len(keys), np.int64)
    for side in (True, False):
        here = np.array([(key in defective) == side for key in keys])
        groups = [key for key, taken in zip(keys, here, strict=True) if taken]
        if groups:
            fold[here] = part_folds(groups, min(FOLDS, len(set(groups))), seed)
    return fold


def _taken(opinions: Opinions, which: NDArray[np.bool_]) -> Opinions:
    parts = [part for part, taken in zip(opinions.parts, which, strict=True) if taken]
    return Opinions(opinions.truth[which], opinions.score[which], opinions.cloud[which], parts)


def _with_p_defect(calibration: Calibration, goods: Array, defects: Array) -> Calibration:
    if calibration.p_defect is not None:
        return calibration
    goods = np.sort(calibration.goods or goods)
    sigmoid = fit_sigmoid(
        goods, np.sort(defects), threshold=calibration.threshold, prevalence=calibration.prevalence
    )
    return msgspec.structs.replace(calibration, p_defect=sigmoid)
