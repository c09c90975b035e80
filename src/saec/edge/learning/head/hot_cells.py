"""The cells that a goods-only map finds most unusual, and how they differ from the nearest good patch.

Written over ``TensorOps``. The head for defects and the head for kinds both look at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.head.tensor_ops import TensorOps

T = TypeVar("T")
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PatchSearch:
    """The search for the nearest good patch, see ``GoodsModel``."""

    project: Floats
    offset: Floats
    memory: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CellModel:
    """How cells are seen by what labelled defects have taught.

    C features, a grid of h x w = n cells, K patches in the memory.

    Attributes:
        mean, deviation: C, of the features over goods.
        patches: K x C, the memory's patches, standardised by them.
        hot: how many cells are hot.
        hottest: how many of them stand for a defect.
        inside: indices of the cells (of n) within the region of interest, or None for all.
    """

    mean: Floats
    deviation: Floats
    patches: Floats
    hot: int
    hottest: int
    inside: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, eq=False)
class FrameCells(Generic[T]):
    """The cells of B frames, p of each within the region.

    Attributes:
        standard: B x p x C, standardised features.
        places: B x M, the hot cells, the hottest first.
        heat: B x M, their heat: the largest of each cell's 2 x 2 of the anomaly map.
        features: B x M x C, their standardised features.
        residuals: B x M x C, these less those of the nearest good patch.
    """

    standard: T
    places: T
    heat: T
    features: T
    residuals: T


def frame_cells(
    ops: TensorOps[T],
    flat: T,
    anomaly: T,
    model: CellModel,
    search: PatchSearch,
    shape: tuple[int, int, int],
) -> FrameCells[T]:
    """Look at the cells of frames.

    Args:
        ops: what executes the operations, or writes them down.
        flat: features, B x C x n.
        anomaly: the goods-only map, B x 2h x 2w.
        model: how cells are seen.
        search: the nearest good patch.
        shape: B, h and w.
    """
    cells = ops.transpose(flat, (0, 2, 1))
    if model.inside is not None:
        cells = ops.take(cells, model.inside, 1)
    standard = ops.multiply(
        ops.subtract(cells, ops.constant(model.mean)), ops.constant(1.0 / model.deviation)
    )
    heat = _heat(ops, anomaly, model, shape)
    places = ops.top_places(heat, model.hot)
    features = ops.rows(standard, places)
    good = _nearest(ops, ops.rows(cells, places), model, search, shape[0])
    return FrameCells(standard, places, ops.top(heat, model.hot), features, ops.subtract(features, good))


def cell_count(model: CellModel, shape: tuple[int, int, int]) -> int:
    """How many cells of a frame count."""
    return shape[1] * shape[2] if model.inside is None else len(model.inside)


def enlarged(ops: TensorOps[T], values: T, model: CellModel, shape: tuple[int, int, int]) -> T:
    """A value for each cell that counts (B x p) as 2 x 2 cells of the map, 0 elsewhere, B x 2h x 2w."""
    batch, height, width = shape
    if model.inside is not None:
        where = np.full(height * width, len(model.inside), np.int64)
        where[model.inside] = np.arange(len(model.inside))
        nothing = ops.constant(np.zeros((batch, 1), np.float32))
        values = ops.take(ops.concatenate([values, nothing], 1), where, 1)
    square = ops.reshape(values, (batch, height, 1, width, 1))
    larger = ops.add(square, ops.constant(np.zeros((1, 1, 2, 1, 2), np.float32)))
    return ops.reshape(larger, (batch, 2 * height, 2 * width))


def _heat(ops: TensorOps[T], anomaly: T, model: CellModel, shape: tuple[int, int, int]) -> T:
    """The anomaly map as the largest of each cell's 2 x 2, B x p."""
    batch, height, width = shape
    squares = ops.most(ops.most(ops.reshape(anomaly, (batch, height, 2, width, 2)), 4), 2)
    heat = ops.reshape(squares, (batch, height * width))
    return heat if model.inside is None else ops.take(heat, model.inside, 1)


def _nearest(ops: TensorOps[T], hot: T, model: CellModel, search: PatchSearch, batch: int) -> T:
    """The nearest good patch of each hot cell (B x M x C, not standardised), standardised, B x M x C."""
    patches = ops.matmul(hot, ops.constant(search.project))
    patches = ops.add(patches, ops.constant(search.offset))
    bracket = ops.add(ops.matmul(patches, ops.constant(search.memory)), ops.constant(search.bias))
    zero = ops.constant(np.zeros(1, np.float32))
    nearest = ops.top_places(ops.subtract(zero, bracket), 1)
    good = ops.lookup(ops.constant(model.patches), nearest)
    return ops.reshape(good, (batch, model.hot, len(model.mean)))
