"""The head for kinds, written over ``TensorOps``; see ``kind_head``, which is the same in NumPy alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from saec.edge.learning.defects.kind_head import RANKS, Floats, KindHead
from saec.edge.learning.head.hot_cells import CellModel, FrameCells
from saec.edge.learning.head.tensor_ops import TensorOps

T = TypeVar("T")


def kind_outputs(ops: TensorOps[T], cells: FrameCells[T], head: KindHead, model: CellModel, batch: int) -> T:
    """What the head says of frames, see ``kind_answers``; the map of their heat has its median off."""
    shape = (batch, model.hot, len(model.mean))
    pooled = pooled_features(ops, cells.features, cells.residuals, cells.heat, model.hottest, shape)
    return kind_answers(ops, pooled, head, batch)


def kind_answers(ops: TensorOps[T], pooled: T, head: KindHead, batch: int) -> T:
    """The probability of each kind and of an unknown one, and the distance to the nearest known defect.

    Args:
        ops: what executes the operations, or writes them down.
        pooled: B x D, ``pooled_features``.
        head: the arrays, with K kinds.
        batch: B.

    Returns:
        B x (K + 2). The last column is in units of the head's reach: above 1 a frame is like no kind.
    """
    x = ops.multiply(ops.subtract(pooled, ops.constant(head.centre)), ops.constant(head.scale))
    scores = ops.add(ops.matmul(x, ops.constant(head.weights)), ops.constant(head.offset))
    bar = ops.constant(np.full((batch, 1), head.bar, np.float32))
    logits = ops.multiply(ops.concatenate([scores, bar], 1), _number(ops, head.sharpness))
    powers = ops.exp(ops.subtract(logits, ops.most(logits, 1)))
    probabilities = ops.divide(powers, ops.sum(powers, 1))
    return ops.concatenate([probabilities, _distance(ops, x, head)], 1)


def pooled_features(
    ops: TensorOps[T], features: T, residuals: T, heat: T, hottest: int, shape: tuple[int, int, int]
) -> T:
    """What a frame's hot cells look like together, B x D.

    Args:
        ops: what executes the operations, or writes them down.
        features: B x M x C, standardised features of the hot cells, the hottest first.
        residuals: B x M x C, less those of the nearest good patch.
        heat: B x M, their heat: the goods-only map after its median is taken off.
        hottest: how many cells stand for a defect.
        shape: B, M and C.
    """
    batch, hot, channels = shape
    means = [
        ops.reshape(ops.mean(ops.part(values, 1, 0, hottest), 1), (batch, channels))
        for values in (features, residuals)
    ]
    ranks = np.array([0, *(min(rank * hottest, hot) - 1 for rank in RANKS)])
    warmth = ops.maximum(ops.take(heat, ranks, 1), _number(ops, 0.0))
    return ops.concatenate([*means, ops.log(ops.add(warmth, _number(ops, 1.0)))], 1)


def _distance(ops: TensorOps[T], x: T, head: KindHead) -> T:
    """The distance to the nearest known defect, B x 1."""
    squares: Floats = (head.examples**2).sum(1)
    products = ops.matmul(x, ops.constant(np.ascontiguousarray(-2.0 * head.examples.T)))
    nearest = ops.least(ops.add(products, ops.constant(squares)), 1)
    square = ops.maximum(ops.add(ops.sum(ops.multiply(x, x), 1), nearest), _number(ops, 0.0))
    return ops.multiply(ops.sqrt(square), _number(ops, 1.0 / head.reach))


def _number(ops: TensorOps[T], value: float) -> T:
    return ops.constant(np.array([value], np.float32))
