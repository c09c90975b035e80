"""A line that is taught labelled defects, and judges frames, with what goods tell computed once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from labelled_frames import LabelledFrames
from numpy.typing import NDArray

from saec.edge.learning.detector_learning import learn_defects, learn_goods
from saec.edge.learning.head.defect_head import defect_evidence
from saec.edge.learning.head.detector_head import (
    GoodsModel,
    HeadOutputs,
    PatchModel,
    distances,
    scaled,
    scored,
)
from saec.edge.learning.head.hot_cells import CellModel, FrameCells, frame_cells
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.schedule.statistics.threshold import threshold_for
from saec.settings import FitConfig

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

AT_ONCE = 16
"""Frames that are judged at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A version of the line.

    Attributes:
        scores: of each frame of the set; NaN for those that are not judged.
        threshold: from the cross-fitted scores of the goods.
        weights: of the hot and of the full head.
    """

    scores: Doubles
    threshold: float
    weights: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Frames as the goods-only detector judges them; their cells once they are asked for."""

    frames: list[int]
    outputs: HeadOutputs[NDArray[np.floating]]
    cells: list[FrameCells[NDArray[np.floating]]] = field(default_factory=list)


class TaughtLine:
    """A line fitted to goods.

    Args:
        frames: all frames; those of test are judged.
        goods: indices of the goods to learn from.
        config: how the line is made.
        overkill: the share of goods that the threshold may reject.

    Attributes:
        bare: the line without labelled defects.
    """

    def __init__(self, frames: LabelledFrames, goods: list[int], config: FitConfig, overkill: float) -> None:
        self._frames, self._config, self._overkill = frames, config, overkill
        self._kept = frames.taught(goods)
        self._goods = learn_goods(self._kept, config, None, lambda _what, _done, _of: None)
        judged = np.flatnonzero(~frames.train).tolist()
        self._batches = [self._judged(judged[at : at + AT_ONCE]) for at in range(0, len(judged), AT_ONCE)]
        self.bare = Taught(self._scores(PatchModel(self._model)), self._threshold(self._goods.found.goods))

    def taught(self, defects: list[int]) -> Taught:
        """The line with these labelled defects."""
        if not defects:
            return self.bare
        for at in defects:
            self._kept.add(self._frames.frames[at], self._frames.features[at])
        learned = learn_defects(self._kept, self._goods, self._config)
        for at in defects:
            self._kept.forget(self._frames.frames[at].sha)
        weights = learned.params["hot_weight"], learned.params["full_weight"]
        return Taught(self._scores(learned.model), self._threshold(learned.goods), weights)

    @property
    def _model(self) -> GoodsModel:
        return self._goods.found.model.goods

    def _threshold(self, goods: dict[str, float]) -> float:
        return threshold_for(list(goods.values()), self._overkill)

    def _judged(self, frames: list[int]) -> _Batch:
        return _Batch(frames, judged_by_goods(self._frames.features[frames], self._model))

    def _scores(self, model: PatchModel) -> Doubles:
        scores = np.full(len(self._frames.frames), np.nan)
        ops, (height, width) = NumpyOps(), self._frames.features.shape[2:]
        for batch in self._batches:
            scores[batch.frames] = batch.outputs.score
            if model.cells is not None and model.defects is not None:
                if not batch.cells:
                    batch.cells.append(self._cells(batch, model.cells))
                shape = (len(batch.frames), height, width)
                more, _ = defect_evidence(ops, batch.cells[0], model.defects, model.cells, shape)
                scores[batch.frames] += more
        return scores

    def _cells(self, batch: _Batch, model: CellModel) -> FrameCells[NDArray[np.floating]]:
        n, channels, height, width = (len(batch.frames), *self._frames.features.shape[1:])
        flat = np.reshape(self._frames.features[batch.frames], (n, channels, height * width))
        search, shape = self._model.search, (n, height, width)
        return frame_cells(NumpyOps(), flat, batch.outputs.map, model, search, shape)


def judged_by_goods(features: Floats, model: GoodsModel) -> HeadOutputs[NDArray[np.floating]]:
    """What the detector without labelled defects gives for frames, B x C x h x w."""
    ops, count = NumpyOps(), len(features)
    return scored(ops, scaled(ops, distances(ops, features, model, count), model, count), model, count)
