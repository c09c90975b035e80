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

from saec.edge.learning.head.hot_cells import CellModel, FrameCells, cell_count, enlarged
from saec.edge.learning.head.tensor_ops import TensorOps

T = TypeVar("T")
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DefectHead:
    """The arrays of the head; C features.

    Attributes:
        hot_weights, hot_offset: 2C and a number: of a hot cell's standardised features and the sizes of its
            residuals.
        full_weights, full_offset: C and a number: of any cell's standardised features.
        level: 2, what goods show of each score; below it nothing is added.
        gain: 2, what a score above its level counts in the frame's score; 0 leaves that half out.
    """

    hot_weights: Floats
    hot_offset: float
    full_weights: Floats
    full_offset: float
    level: Floats
    gain: Floats


def defect_evidence(
    ops: TensorOps[T], cells: FrameCells[T], head: DefectHead, model: CellModel, shape: tuple[int, int, int]
) -> tuple[T, T]:
    """What the head adds.

    Args:
        ops: what executes the operations, or writes them down.
        cells: the frames' cells.
        head: the arrays.
        model: how cells are seen.
        shape: B, h and w.

    Returns:
        What is added to the score, B, and to the map, B x 2h x 2w.
    """
    batch, count = shape[0], cell_count(model, shape)
    scores, maps = [], []
    if head.gain[0] > 0:
        sizes = ops.maximum(cells.residuals, ops.subtract(_number(ops, 0.0), cells.residuals))
        both = ops.concatenate([cells.features, sizes], 2)
        hot = _linear(ops, both, head.hot_weights, head.hot_offset, (batch, model.hot))
        scores.append(_frame_score(ops, hot, model, head, 0, batch))
        maps.append(ops.spread(_above(ops, hot, head, 0), cells.places, (batch, count)))
    if head.gain[1] > 0:
        full = _linear(ops, cells.standard, head.full_weights, head.full_offset, (batch, count))
        scores.append(_frame_score(ops, full, model, head, 1, batch))
        maps.append(_above(ops, full, head, 1))
    return _sum(ops, scores), enlarged(ops, _sum(ops, maps), model, shape)


def _linear(ops: TensorOps[T], cells: T, weights: Floats, offset: float, shape: tuple[int, int]) -> T:
    told = ops.reshape(ops.matmul(cells, ops.constant(weights[:, None])), shape)
    return ops.subtract(told, _number(ops, offset))


def _above(ops: TensorOps[T], scores: T, head: DefectHead, half: int) -> T:
    """What scores count above their level."""
    over = ops.subtract(scores, _number(ops, float(head.level[half])))
    return ops.multiply(ops.maximum(over, _number(ops, 0.0)), _number(ops, float(head.gain[half])))


def _frame_score(
    ops: TensorOps[T], scores: T, model: CellModel, head: DefectHead, half: int, batch: int
) -> T:
    hottest = ops.mean(ops.top(scores, model.hottest), 1)
    return ops.reshape(_above(ops, hottest, head, half), (batch,))


def _sum(ops: TensorOps[T], terms: list[T]) -> T:
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    return total


def _number(ops: TensorOps[T], value: float) -> T:
    return ops.constant(np.array([value], np.float32))
