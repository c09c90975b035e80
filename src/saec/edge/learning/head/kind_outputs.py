"""The head for kinds, written over ``TensorOps``; see ``kind_head``, which is the same in NumPy alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from saec.edge.learning.defects.kind_head import RANKS, Floats, KindHead
from saec.edge.learning.head.hot_cells import CellModel, FrameCells
from saec.edge.learning.head.tensor_ops import TensorOps

T = TypeVar("T")


def kind_outputs(ops: TensorOps[T], cells: FrameCells[T], head: KindHead, model: CellModel, batch: int) -> T:
    """The probability of each kind and of an unknown one, and the distance to the nearest known defect.

    Args:
        ops: what executes the operations, or writes them down.
        cells: the frames' cells; their heat is that of the goods-only map less its median.
        head: the arrays, with K kinds.
        model: how cells are seen.
        batch: B.

    Returns:
        B x (K + 2). The last column is in units of the head's reach: above 1 a frame is like no kind.
    """
    x = ops.subtract(_pooled(ops, cells, model, batch), ops.constant(head.centre))
    x = ops.multiply(x, ops.constant(head.scale))
    scores = ops.add(ops.matmul(x, ops.constant(head.weights)), ops.constant(head.offset))
    bar = ops.constant(np.full((batch, 1), head.bar, np.float32))
    logits = ops.multiply(ops.concatenate([scores, bar], 1), _number(ops, head.sharpness))
    powers = ops.exp(ops.subtract(logits, ops.most(logits, 1)))
    probabilities = ops.divide(powers, ops.sum(powers, 1))
    return ops.concatenate([probabilities, _distance(ops, x, head)], 1)


def _pooled(ops: TensorOps[T], cells: FrameCells[T], model: CellModel, batch: int) -> T:
    """``kind_head.pooled_features``, B x D."""
    channels = len(model.mean)
    means = [
        ops.reshape(ops.mean(ops.part(values, 1, 0, model.hottest), 1), (batch, channels))
        for values in (cells.features, cells.residuals)
    ]
    ranks = np.array([0, *(min(rank * model.hottest, model.hot) - 1 for rank in RANKS)])
    heat = ops.maximum(ops.take(cells.heat, ranks, 1), _number(ops, 0.0))
    return ops.concatenate([*means, ops.log(ops.add(heat, _number(ops, 1.0)))], 1)


def _distance(ops: TensorOps[T], x: T, head: KindHead) -> T:
    """The distance to the nearest known defect, B x 1."""
    squares: Floats = (head.examples**2).sum(1)
    products = ops.matmul(x, ops.constant(np.ascontiguousarray(-2.0 * head.examples.T)))
    nearest = ops.least(ops.add(products, ops.constant(squares)), 1)
    square = ops.maximum(ops.add(ops.sum(ops.multiply(x, x), 1), nearest), _number(ops, 0.0))
    return ops.multiply(ops.sqrt(square), _number(ops, 1.0 / head.reach))


def _number(ops: TensorOps[T], value: float) -> T:
    return ops.constant(np.array([value], np.float32))
