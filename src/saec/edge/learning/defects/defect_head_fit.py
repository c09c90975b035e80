"""Fit the head that learns from labelled defects, and score every frame by heads that have not seen its part.

Two linear scores of a cell, each Fisher's linear discriminant (1936), whose covariance many good cells tell
even where few defects are known; the defects' cells have a small share in it, so that what differs from
defect to defect counts less. The hot head looks only at the cells that the goods-only map finds most unusual,
at their features and at how far each lies from the nearest good patch. The full head looks at the features of
all cells. Which cells of a defect are defective is rarely told, so its hottest cells stand for it (multiple
instances, Maron and Lozano-Perez, NIPS 1998); for the full head the discriminant of the other defects chooses
again among the hottest tenth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from saec.edge.learning.defects.defect_cells import Floats, Indices, LabelledCells, hottest_cells
from saec.edge.learning.defects.defect_weights import ChosenWeights, HeadScores, choose_weights

SECOND_LOOK, CHOSEN = 0.1, 0.02
"""Shares of a defect's cells: the hottest, among which the other defects choose, and those they choose."""

HOT_NEGATIVES, SPREAD_NEGATIVES = 0.02, 12
"""Cells of a good that the full head learns from: a share, the hottest, and a number, evenly by heat."""

RIDGE = 0.1
"""Added to the diagonal of each covariance of standardised features."""

HOT_POOLED, FULL_POOLED = 0.03, 0.1
"""The defects' share in the covariance of each head; the hot head has twice the features, and fewer cells."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """A score of a cell, features @ weights - offset: 0 in the middle of the goods that it learned from."""

    weights: Floats
    offset: float


@dataclass(frozen=True, slots=True, eq=False)
class DefectHeadFit:
    """What came of the fit.

    Attributes:
        hot: a score of a hot cell's C standardised features and the sizes of its C residuals.
        full: a score of any cell's C standardised features.
        hottest: how many of the highest cell scores the head's score of a frame is the mean of.
        goods, defects: scores of the frames together with the head, as if unseen.
        unseen: what they are made of, for goods and for defects.
        weights: what the head has earned. A frame's score rises by gain x max(head's score - level, 0).
    """

    hot: LinearHead
    full: LinearHead
    hottest: int
    goods: NDArray[np.float64]
    defects: NDArray[np.float64]
    unseen: tuple[HeadScores, HeadScores]
    weights: ChosenWeights


def fit_defect_head(goods: LabelledCells, defects: LabelledCells) -> DefectHeadFit:
    """Fit the head, and decide what it counts from scores by heads that have not seen the frame's part.

    Where all defects are of one fold no head can be tried on a defect: then it counts nothing.

    Args:
        goods: frames of at least two folds.
        defects: frames, at least one.
    """
    hot, full = _HotTraining(goods, defects), _FullTraining(goods, defects)
    unseen = _nothing_yet(goods), _nothing_yet(defects)
    tried = len(np.unique(defects.folds)) > 1
    for fold in np.union1d(goods.folds, defects.folds) if tried else ():
        heads = hot.head(fold), full.head(fold)
        for frames, features, scores in zip((goods, defects), hot.features, unseen, strict=True):
            chosen = np.flatnonzero(frames.folds == fold)
            cells = features[chosen] @ heads[0].weights - np.float32(heads[0].offset)
            scores.heads[0, chosen] = frame_scores(cells, frames.hottest)
            scores.heads[1, chosen] = frame_scores(_everywhere(frames, heads[1], chosen), frames.hottest)
    parts = defects.parts if tried else np.zeros(len(defects), np.int64)
    weights = choose_weights(unseen[0], unseen[1], parts)
    return DefectHeadFit(
        hot=hot.head(None),
        full=full.head(None),
        hottest=goods.hottest,
        goods=unseen[0].together(weights.level, weights.gain),
        defects=unseen[1].together(weights.level, weights.gain),
        unseen=unseen,
        weights=weights,
    )


def _nothing_yet(frames: LabelledCells) -> HeadScores:
    return HeadScores(frames.scores, np.zeros((2, len(frames))))


def frame_scores(cells: Floats, hottest: int) -> NDArray[np.float64]:
    """The mean of each frame's highest cell scores, n x m to n."""
    last = cells.shape[1] - hottest
    highest = np.partition(cells, last, axis=1)[:, last:]
    return np.asarray(highest.mean(axis=1, dtype=np.float64))


def _everywhere(frames: LabelledCells, head: LinearHead, chosen: Indices) -> Floats:
    """The full head's score of each cell of these frames."""
    weights = head.weights / frames.deviation
    offset = np.float32(head.offset + float(weights @ frames.mean))
    scores = np.empty((len(chosen), frames.features.shape[2]), np.float32)
    for row, i in zip(scores, chosen, strict=True):
        row[:] = weights @ frames.features[i].astype(np.float32) - offset
    return scores


class _HotTraining:
    """The hot head of any set of folds. ``features``: those of the hot cells of goods and of defects."""

    def __init__(self, goods: LabelledCells, defects: LabelledCells) -> None:
        self.features = goods.hot_features(), defects.hot_features()
        self._negatives = _Moments(self.features[0], goods.folds)
        self._folds = defects.folds
        order = hottest_cells(defects.heat, self.features[1].shape[1])
        self._positives = []
        for i, features in enumerate(self.features[1]):
            marked = defects.marks(i)
            hot = features if marked is None else features[np.isin(order[i], marked)]
            self._positives.append(hot[: defects.hottest])

    def head(self, fold: int | None) -> LinearHead:
        """Of all folds but this one. Defects whose marked cells are not hot have no say."""
        white = self._negatives.without(fold)
        kept = [cells for cells, own in zip(self._positives, self._folds, strict=True) if own != fold]
        return white.head([white(cells) for cells in kept if len(cells)], HOT_POOLED)


class _FullTraining:
    """The full head of any set of folds."""

    def __init__(self, goods: LabelledCells, defects: LabelledCells) -> None:
        p = goods.heat.shape[1]
        order = hottest_cells(goods.heat, p)
        ranks = [*range(max(1, round(HOT_NEGATIVES * p)))]
        ranks += [(2 * i + 1) * p // (2 * SPREAD_NEGATIVES) for i in range(SPREAD_NEGATIVES)]
        self._moments = _Moments(goods.standardised(order[:, ranks]), goods.folds)
        self._folds = defects.folds
        self._count = max(1, round(CHOSEN * p))
        look = max(self._count, round(SECOND_LOOK * p))
        self._looks = [self._look(defects, i, look) for i in range(len(defects))]

    @staticmethod
    def _look(defects: LabelledCells, frame: int, count: int) -> Floats:
        """Standardised features of the cells that may be defective, the hottest first."""
        heat = defects.heat[frame]
        cells = np.argsort(-heat, kind="stable")
        marked = defects.marks(frame)
        cells = cells[:count] if marked is None else cells[np.isin(cells, marked)]
        taken = defects.features[frame][:, cells].T.astype(np.float32)
        z: Floats = (taken - defects.mean) / defects.deviation
        return z

    def head(self, fold: int | None) -> LinearHead:
        """Of all folds but this one."""
        white = self._moments.without(fold)
        kept = np.flatnonzero(self._folds != fold)
        return white.head(self._second_look(white, kept), FULL_POOLED)

    def _second_look(self, white: _White, kept: Indices) -> list[Floats]:
        """Of each defect the whitened cells that are most like the other defects' hottest cells."""
        looks = [white(self._looks[i]) for i in kept]
        firsts = np.array([look[: self._count].mean(0) for look in looks])
        others = (firsts.sum(0) - firsts) / max(len(looks) - 1, 1)
        order = [
            np.argsort(-(look @ other), kind="stable") for look, other in zip(looks, others, strict=True)
        ]
        return [look[chosen[: self._count]] for look, chosen in zip(looks, order, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _White:
    """Features made to have no correlation over goods: (features - mean) @ unmix."""

    mean: Floats
    unmix: Floats

    def __call__(self, features: Floats) -> Floats:
        return np.asarray((features - self.mean) @ self.unmix)

    def head(self, defects: list[Floats], pooled: float) -> LinearHead:
        """The discriminant of defects, in deviations of the goods; no defect gives a score of 0.

        Args:
            defects: whitened cells of each, at least one; each defect counts as much.
            pooled: their share in the covariance, in which goods have variance 1.
        """
        direction = np.zeros(len(self.mean))
        if defects:
            middle = np.mean([cells.mean(0) for cells in defects], axis=0)
            off = [(cells - middle) / math.sqrt(len(cells) * len(defects)) for cells in defects]
            scatter = np.concatenate(off)
            covariance = pooled * (scatter.T @ scatter) + (1.0 - pooled) * np.eye(len(middle))
            direction = cho_solve((cholesky(covariance, lower=True), True), middle)
        weights = self.unmix @ (direction / max(float(np.linalg.norm(direction)), 1e-12))
        return LinearHead(weights.astype(np.float32), float(weights @ self.mean))


class _Moments:
    """Sums over the cells of each fold's goods (n x m x D), so that leaving a fold out is a subtraction."""

    def __init__(self, cells: Floats, folds: Indices) -> None:
        self._folds = np.unique(folds)
        by_fold = [cells[folds == fold].reshape(-1, cells.shape[2]) for fold in self._folds]
        self._count = np.array([len(some) for some in by_fold])
        self._first = np.array([some.sum(0, dtype=np.float64) for some in by_fold])
        self._second = np.array([some.T @ some for some in by_fold], np.float64)

    def without(self, fold: int | None) -> _White:
        kept = self._folds != fold
        count = self._count[kept].sum()
        mean = self._first[kept].sum(0) / count
        covariance = self._second[kept].sum(0) / count - np.outer(mean, mean)
        factor = cholesky(covariance + RIDGE * np.eye(len(mean)), lower=True)
        unmix = solve_triangular(factor, np.eye(len(mean)), lower=True).T
        return _White(mean.astype(np.float32), unmix.astype(np.float32))
