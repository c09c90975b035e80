"""All of the patch detector that follows the features, written once over ``TensorOps``.

A frame's features are compared with those of good frames in two ways: with the nearest patch of a memory
of good patches, wherever it lay (PatchCore, Roth et al., CVPR 2022), and with the Gaussian of the same
place (PaDiM, Defard et al., ICPR 2021). Each map is put on the scale of the goods, their sum is compared
with what goods show at that place, and the image's score is the mean of the hottest percent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.defects.kind_head import KindHead
from saec.edge.learning.head.defect_head import DefectHead, defect_evidence
from saec.edge.learning.head.hot_cells import CellModel, PatchSearch, frame_cells
from saec.edge.learning.head.kind_outputs import kind_outputs
from saec.edge.learning.head.tensor_ops import TensorOps

T = TypeVar("T")
Floats = NDArray[np.float32]

HOTTEST = 0.01
"""Share of the map whose mean is the image's score."""


@dataclass(frozen=True, slots=True, eq=False)
class GoodsModel:
    """What goods look like: the arrays of the detector without labelled defects.

    C features, a grid of h x w cells, P blocks of cells, d projected dimensions, K patches.

    Attributes:
        project, offset: C x d and d: features to standardised principal axes, features @ project + offset.
        memory, bias: d x K and K: -2 m and |m|^2 of the memory's patches m.
        places: C x hw, mean features of goods at each cell.
        whiten: P x C x C, inverse Cholesky factors of the covariance of each block.
        block: height and width in cells of a block.
        rows, columns: 2h x h and w x 2w: twice the grid, bilinear, then smoothed by a Gaussian.
        centre, spread: each distance's centre and spread over the goods, 2.
        expected, deviation: 2h x 2w, mean and deviation at each place of what goods show.
        inside: indices of the cells (of 2h x 2w) within the region of interest, or None for all.
    """

    project: Floats
    offset: Floats
    memory: Floats
    bias: Floats
    places: Floats
    whiten: NDArray[np.floating[Any]]
    block: tuple[int, int]
    rows: Floats
    columns: Floats
    centre: Floats
    spread: Floats
    expected: Floats
    deviation: Floats
    inside: NDArray[np.int64] | None

    @property
    def search(self) -> PatchSearch:
        """The search for the nearest good patch."""
        return PatchSearch(self.project, self.offset, self.memory, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class PatchModel:
    """The arrays of the whole head.

    Attributes:
        goods: what goods look like.
        cells: how the heads below see cells; None where there is none of them.
        defects: what labelled defects have taught, or None where it has earned no weight.
        kinds: what names the kind of a defect, or None.
    """

    goods: GoodsModel
    cells: CellModel | None = None
    defects: DefectHead | None = None
    kinds: KindHead | None = None


@dataclass(frozen=True, slots=True)
class HeadOutputs(Generic[T]):
    """What the head gives.

    Attributes:
        score: B.
        map: B x 2h x 2w.
        kinds: B x (kinds + 2), see ``kind_outputs``; None where no kinds are known.
    """

    score: T
    map: T
    kinds: T | None = None

    def named(self) -> Iterator[tuple[str, T]]:
        """The outputs with their names in the exported graph."""
        yield "score", self.score
        yield "map", self.map
        if self.kinds is not None:
            yield "kinds", self.kinds


def output_shapes(model: PatchModel) -> dict[str, tuple[int, ...]]:
    """The shapes of the outputs for one frame, by their names."""
    shapes: dict[str, tuple[int, ...]] = {"score": (1,), "map": (1, *model.goods.expected.shape)}
    if model.kinds is not None:
        shapes["kinds"] = (1, len(model.kinds.kinds) + 2)
    return shapes


def head(ops: TensorOps[T], features: T, model: PatchModel, batch: int = 1) -> HeadOutputs[T]:
    """Features to score and map.

    Args:
        ops: what executes the operations, or writes them down.
        features: B x C x h x w.
        model: the arrays.
        batch: B.
    """
    goods = model.goods
    anomaly = scaled(ops, distances(ops, features, goods, batch), goods, batch)
    outputs = scored(ops, anomaly, goods, batch)
    if model.cells is None:
        return outputs
    height, width = goods.rows.shape[1], goods.columns.shape[0]
    shape = (batch, height, width)
    flat = ops.reshape(features, (batch, len(goods.project), height * width))
    cells = frame_cells(ops, flat, outputs.map, model.cells, goods.search, shape)
    score, told = outputs.score, outputs.map
    if model.defects is not None:
        more_score, more_map = defect_evidence(ops, cells, model.defects, model.cells, shape)
        score, told = ops.add(score, more_score), ops.add(told, more_map)
    kinds = None
    if model.kinds is not None:
        kinds = kind_outputs(ops, cells, model.kinds, model.cells, batch)
    return HeadOutputs(score, told, kinds)


def distances(ops: TensorOps[T], features: T, model: GoodsModel, batch: int) -> T:
    """Features (B x C x h x w) to the two smoothed distances, B x 2 x 2h x 2w."""
    height, width = model.rows.shape[1], model.columns.shape[0]
    flat = ops.reshape(features, (batch, len(model.project), height * width))
    maps = [
        ops.reshape(one, (batch, 1, height, width))
        for one in (_nearest(ops, flat, model), _there(ops, flat, model, batch, (height, width)))
    ]
    pair = ops.concatenate(maps, 1)
    return ops.matmul(ops.matmul(ops.constant(model.rows), pair), ops.constant(model.columns))


def _nearest(ops: TensorOps[T], flat: T, model: GoodsModel) -> T:
    """Features (B x C x n) to the distance of each patch to the memory, B x n x 1."""
    patches = ops.matmul(ops.transpose(flat, (0, 2, 1)), ops.constant(model.project))
    patches = ops.add(patches, ops.constant(model.offset))
    # |p - m|^2 = |p|^2 + (|m|^2 - 2 p.m), whose bracket is one linear layer
    bracket = ops.add(ops.matmul(patches, ops.constant(model.memory)), ops.constant(model.bias))
    squared = ops.add(ops.sum(ops.multiply(patches, patches), 2), ops.least(bracket, 2))
    return ops.sqrt(ops.maximum(squared, ops.constant(np.zeros(1, np.float32))))


def _there(ops: TensorOps[T], flat: T, model: GoodsModel, batch: int, grid: tuple[int, int]) -> T:
    """Features (B x C x n) to the Mahalanobis distance of each patch at its place, B x n."""
    channels, (height, width), (rows, columns) = len(model.project), grid, model.block
    down, across = height // rows, width // columns
    off = ops.subtract(flat, ops.constant(model.places))
    parted = ops.reshape(off, (batch, channels, down, rows, across, columns))
    blocks = ops.transpose(parted, (0, 2, 4, 1, 3, 5))
    blocks = ops.reshape(blocks, (batch, down * across, channels, rows * columns))
    white = ops.matmul(ops.constant(model.whiten), blocks)
    there = ops.sqrt(ops.sum(ops.multiply(white, white), 2))
    back = ops.transpose(ops.reshape(there, (batch, down, across, rows, columns)), (0, 1, 3, 2, 4))
    return ops.reshape(back, (batch, height * width))


def scaled(ops: TensorOps[T], maps: T, model: GoodsModel, batch: int) -> T:
    """The two distances to the anomaly map on the scale of the goods, B x 2h x 2w."""
    height, width = model.expected.shape
    centred = ops.subtract(maps, ops.constant(model.centre[:, None, None]))
    summed = ops.sum(ops.multiply(centred, ops.constant(1.0 / model.spread[:, None, None])), 1)
    anomaly = ops.subtract(ops.reshape(summed, (batch, height, width)), ops.constant(model.expected))
    return ops.multiply(anomaly, ops.constant(1.0 / model.deviation))


def scored(ops: TensorOps[T], anomaly: T, model: GoodsModel, batch: int) -> HeadOutputs[T]:
    """The anomaly map (B x 2h x 2w) to the score, and the map with its median taken off.

    So a change that touches the whole frame alike (light, say) does not count. Cells outside the region of
    interest count in neither and are 0 in the map.
    """
    height, width = model.expected.shape
    flat = ops.reshape(anomaly, (batch, height * width))
    shown: Floats | None = None
    if model.inside is not None:
        flat = ops.take(flat, model.inside, 1)
        shown = np.zeros(height * width, np.float32)
        shown[model.inside] = 1.0
    cells = height * width if model.inside is None else len(model.inside)
    top = ops.top(flat, cells // 2 + 1)
    median = ops.part(top, 1, cells // 2, cells // 2 + 1)
    hottest = ops.mean(ops.part(top, 1, 0, max(1, round(HOTTEST * cells))), 1)
    score = ops.reshape(ops.subtract(hottest, median), (batch,))
    told = ops.subtract(anomaly, ops.reshape(median, (batch, 1, 1)))
    if shown is not None:
        told = ops.multiply(told, ops.constant(shown.reshape(height, width)))
    return HeadOutputs(score, told)
