"""What labelled defects have taught, written over ``TensorOps``: two linear scores that can only add.

The hot head looks at the cells that the goods-only map finds most unusual, and at how they differ from the
nearest good patch; so it carries over to kinds of defect that it was never shown. The full head looks at all
cells, and finds defects that the goods-only map does not see. Each is cut off below what goods show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.tensor_ops import TensorOps

T = TypeVar("T")
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DefectHead:
    """The arrays of the head.

    C features, a grid of n cells, K patches in the memory.

    Attributes:
        mean, deviation: C, of the features over goods.
        patches: K x C, the memory's patches, standardised by them.
        hot_weights, hot_offset: 2C and a number: of a hot cell's features and how far each lies from the
            nearest patch.
        full_weights, full_offset: C and a number: of any cell's features.
        level: 2, what goods show of each score; below it nothing is added.
        gain: 2, what a score above its level counts in the frame's score; 0 leaves that half out.
        hot: how many cells are hot.
        hottest: how many of the highest cell scores the frame's score is the mean of.
        cells: indices of the cells (of n) within the region of interest, or None for all.
    """

    mean: Floats
    deviation: Floats
    patches: Floats
    hot_weights: Floats
    hot_offset: float
    full_weights: Floats
    full_offset: float
    level: Floats
    gain: Floats
    hot: int
    hottest: int
    cells: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, eq=False)
class GoodPatches:
    """The search for the nearest good patch, see ``GoodsModel``."""

    project: Floats
    offset: Floats
    memory: Floats
    bias: Floats


def defect_evidence(
    ops: TensorOps[T],
    flat: T,
    anomaly: T,
    head: DefectHead,
    search: GoodPatches,
    shape: tuple[int, int, int],
) -> tuple[T, T]:
    """What the head adds.

    Args:
        ops: what executes the operations, or writes them down.
        flat: features, B x C x n.
        anomaly: the goods-only map before its median is taken off, B x 2h x 2w.
        head: the arrays.
        search: the nearest good patch.
        shape: B, h and w.

    Returns:
        What is added to the score, B, and to the map, B x 2h x 2w.
    """
    batch, height, width = shape
    cells = ops.transpose(flat, (0, 2, 1))
    if head.cells is not None:
        cells = ops.take(cells, head.cells, 1)
    standard = ops.divide(ops.subtract(cells, ops.constant(head.mean)), ops.constant(head.deviation))
    count = height * width if head.cells is None else len(head.cells)
    scores, maps = [], []
    if head.gain[0] > 0:
        places = ops.top_places(_heat(ops, anomaly, head, shape), head.hot)
        hot = _hot_scores(ops, cells, standard, places, head, search, batch)
        scores.append(_frame_score(ops, hot, head, 0, batch))
        maps.append(ops.spread(_above(ops, hot, head, 0), places, (batch, count)))
    if head.gain[1] > 0:
        full = ops.matmul(standard, ops.constant(head.full_weights[:, None]))
        full = ops.subtract(ops.reshape(full, (batch, count)), _number(ops, head.full_offset))
        scores.append(_frame_score(ops, full, head, 1, batch))
        maps.append(_above(ops, full, head, 1))
    return _sum(ops, scores), _enlarged(ops, _sum(ops, maps), head, shape)


def _heat(ops: TensorOps[T], anomaly: T, head: DefectHead, shape: tuple[int, int, int]) -> T:
    """The anomaly map as the largest of each cell's 2 x 2, B x cells."""
    batch, height, width = shape
    squares = ops.most(ops.most(ops.reshape(anomaly, (batch, height, 2, width, 2)), 4), 2)
    heat = ops.reshape(squares, (batch, height * width))
    return heat if head.cells is None else ops.take(heat, head.cells, 1)


def _hot_scores(
    ops: TensorOps[T], cells: T, standard: T, places: T, head: DefectHead, search: GoodPatches, batch: int
) -> T:
    """The hot head's score of each hot cell, B x M."""
    patches = ops.matmul(ops.rows(cells, places), ops.constant(search.project))
    patches = ops.add(patches, ops.constant(search.offset))
    bracket = ops.add(ops.matmul(patches, ops.constant(search.memory)), ops.constant(search.bias))
    nearest = ops.top_places(ops.subtract(_number(ops, 0.0), bracket), 1)
    good = ops.lookup(ops.constant(head.patches), nearest)
    good = ops.reshape(good, (batch, head.hot, len(head.mean)))
    hot = ops.rows(standard, places)
    off = ops.subtract(hot, good)
    off = ops.maximum(off, ops.subtract(_number(ops, 0.0), off))
    told = ops.matmul(ops.concatenate([hot, off], 2), ops.constant(head.hot_weights[:, None]))
    return ops.subtract(ops.reshape(told, (batch, head.hot)), _number(ops, head.hot_offset))


def _above(ops: TensorOps[T], scores: T, head: DefectHead, half: int) -> T:
    """What scores count above their level."""
    over = ops.subtract(scores, _number(ops, float(head.level[half])))
    return ops.multiply(ops.maximum(over, _number(ops, 0.0)), _number(ops, float(head.gain[half])))


def _frame_score(ops: TensorOps[T], scores: T, head: DefectHead, half: int, batch: int) -> T:
    hottest = ops.mean(ops.top(scores, head.hottest), 1)
    return ops.reshape(_above(ops, hottest, head, half), (batch,))


def _enlarged(ops: TensorOps[T], values: T, head: DefectHead, shape: tuple[int, int, int]) -> T:
    """A value for each cell as 2 x 2 cells of the map, 0 outside the region, B x 2h x 2w."""
    batch, height, width = shape
    if head.cells is not None:
        where = np.full(height * width, len(head.cells), np.int64)
        where[head.cells] = np.arange(len(head.cells))
        nothing = ops.constant(np.zeros((batch, 1), np.float32))
        values = ops.take(ops.concatenate([values, nothing], 1), where, 1)
    square = ops.reshape(values, (batch, height, 1, width, 1))
    larger = ops.add(square, ops.constant(np.zeros((1, 1, 2, 1, 2), np.float32)))
    return ops.reshape(larger, (batch, 2 * height, 2 * width))


def _sum(ops: TensorOps[T], terms: list[T]) -> T:
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    return total


def _number(ops: TensorOps[T], value: float) -> T:
    return ops.constant(np.array([value], np.float32))
