"""Labelled frames as the goods-only detector sees them: what the heads for defects and kinds learn from.

Goods are seen by detectors that were fitted without their part. Defects are seen by the final one, which was
fitted to goods alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.defects.defect_cells import DEFECTIVE, HOT, LabelledCells, hot_cells
from saec.edge.learning.feature_sums import Features
from saec.edge.learning.goods.goods_fit import GoodsFit
from saec.edge.learning.head.detector_head import distances, scaled, scored
from saec.edge.learning.head.hot_cells import CellModel
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.edge.learning.taught_frames import TaughtFrame, TaughtFrames

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_AT_ONCE = 16
"""Frames whose maps are computed at once."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenCells:
    """Labelled frames, and how their cells are seen.

    Attributes:
        model: how cells are seen.
        goods, defects: the frames.
    """

    model: CellModel
    goods: LabelledCells
    defects: LabelledCells

    @property
    def heat(self) -> Floats:
        """The heat of each defect's hot cells, the hottest first, less the median of its map, n x M."""
        return np.take_along_axis(self.defects.heat, hot_cells(self.defects.heat), 1)


def see_cells(
    taught: TaughtFrames,
    fit: GoodsFit,
    goods: Sequence[TaughtFrame],
    defects: Sequence[TaughtFrame],
    folds: tuple[Indices, Indices],
    scores: NDArray[np.float64],
) -> SeenCells:
    """Look at the cells of labelled frames.

    Args:
        taught: what is kept of the frames.
        fit: the detector, fitted to the goods.
        goods, defects: the frames, at least one of each.
        folds: each good's fold, and each defect's.
        scores: cross-fitted scores of the goods.
    """
    view = _View.of(taught, fit)
    known = taught.features(defects)
    maps, told_scores = _told(fit, taught, known)
    return SeenCells(
        view.model,
        view.labelled(goods, taught.features(goods), fit.maps, fit.fold_memories, folds[0], scores),
        view.labelled(defects, known, maps, None, folds[1], told_scores),
    )


def _told(fit: GoodsFit, taught: TaughtFrames, features: Features) -> tuple[Floats, NDArray[np.float64]]:
    """The anomaly maps of frames (n x C x h x w), their median taken off, and the scores."""
    assert taught.steps is not None
    maps, scores = [], []
    for start in range(0, len(features), _AT_ONCE):
        some = taught.steps.real(features[start : start + _AT_ONCE])
        pair = distances(NumpyOps(), some, fit.model, len(some))
        outputs = scored(NumpyOps(), scaled(NumpyOps(), pair, fit.model, len(some)), fit.model, len(some))
        maps.append(outputs.map)
        scores.append(outputs.score)
    return np.concatenate(maps), np.concatenate(scores).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """How cells are seen.

    Attributes:
        model: what the graph takes, in the features' own units.
        mean, deviation: C, of the features over goods, in steps.
        project: C x d, standardised features to those that are compared.
        patches: the candidates, standardised.
        memory: indices of the patches of the final detector.
    """

    model: CellModel
    mean: Floats
    deviation: Floats
    project: Floats
    patches: Floats
    memory: Indices

    @classmethod
    def of(cls, taught: TaughtFrames, fit: GoodsFit) -> _View:
        assert taught.steps is not None
        assert taught.candidates is not None
        steps, goods = taught.steps, fit.model
        mean = fit.standard.mean.astype(np.float32)
        deviation = fit.standard.deviation.astype(np.float32)
        patches = (taught.candidates.patches - mean) / deviation
        height, width = goods.rows.shape[1], goods.columns.shape[0]
        inside = None
        if goods.inside is not None:
            fine = np.zeros(4 * height * width, np.bool_)
            fine[goods.inside] = True
            inside = np.flatnonzero(fine.reshape(height, 2, width, 2).all((1, 3)))
        count = height * width if inside is None else len(inside)
        model = CellModel(
            mean=mean * steps.size + steps.centre,
            deviation=deviation * steps.size,
            patches=patches[fit.memory],
            hot=max(1, round(HOT * count)),
            hottest=max(1, round(DEFECTIVE * count)),
            inside=inside,
        )
        project = goods.project * (deviation * steps.size)[:, None]
        return cls(model, mean, deviation, project, patches, fit.memory)

    def heat(self, maps: Floats) -> Floats:
        """The largest of each cell's 2 x 2 of anomaly maps (n x 2h x 2w), n x p."""
        n, height, width = maps.shape
        heat: Floats = maps.reshape(n, height // 2, 2, width // 2, 2).max((2, 4)).reshape(n, -1)
        return heat if self.model.inside is None else heat[:, self.model.inside]

    def labelled(
        self,
        frames: Sequence[TaughtFrame],
        features: Features,
        maps: Floats,
        memories: list[Indices] | None,
        folds: Indices,
        scores: NDArray[np.float64],
    ) -> LabelledCells:
        """Frames with these maps; ``memories`` are those of each fold, or None for the final one."""
        cells = features.reshape(*features.shape[:2], -1)
        if self.model.inside is not None:
            cells = cells[:, :, self.model.inside]
        heat = self.heat(maps)
        hot = np.take_along_axis(cells, hot_cells(heat)[:, None, :], 2).transpose(0, 2, 1)
        standard = (hot - self.mean) / self.deviation
        residuals = np.empty(standard.shape, np.float32)
        for fold in np.unique(folds):
            own = folds == fold
            memory = self.memory if memories is None else memories[fold]
            residuals[own] = standard[own] - self._nearest(standard[own], memory)
        groups = {frame.group: number for number, frame in enumerate(frames)}
        return LabelledCells(
            features=cells,
            mean=self.mean,
            deviation=self.deviation,
            heat=heat,
            residuals=residuals,
            scores=scores,
            folds=folds,
            parts=np.array([groups[frame.group] for frame in frames]),
            marked=tuple(self._marked(frame) for frame in frames),
        )

    def _nearest(self, standard: Floats, memory: Indices) -> Floats:
        """The nearest patch of the memory to each cell, n x M x C."""
        compared = self.patches[memory] @ self.project
        bracket = (standard @ self.project) @ (-2.0 * compared.T) + (compared**2).sum(1)
        nearest: Floats = self.patches[memory][bracket.argmin(2)]
        return nearest

    def _marked(self, frame: TaughtFrame) -> Indices | None:
        if frame.marked is None:
            return None
        marked = np.array(frame.marked, np.int64)
        if self.model.inside is None:
            return marked
        return np.flatnonzero(np.isin(self.model.inside, marked))
