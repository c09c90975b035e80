"""Which kind of defect a frame shows: its hottest cells against those of defects whose kind is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UNKNOWN = "unknown"
"""The name of a kind that the line was not taught."""

LEAST_CONFIDENCE = 0.5
"""A kind that is less likely than this is not named."""

RANKS = (1, 2, 4)
"""Multiples of ``hottest`` at whose rank the heat is read, beside that of the hottest cell: size counts."""


@dataclass(frozen=True, slots=True, eq=False)
class KindHead:
    """The arrays of the head. D = 2C + 4 pooled features, K kinds, n defects whose kind is known.

    Attributes:
        kinds: the K names.
        centre, scale: D: pooled features to comparable ones, (pooled - centre) * scale.
        weights, offset: D x K and K: comparable features to a score of each kind.
        sharpness, bar: probabilities are the softmax of sharpness x (scores, bar); the last is ``UNKNOWN``.
        examples: n x D, comparable features of the known defects.
        reach: distance to the nearest example beyond which a frame is like no kind.
    """

    kinds: tuple[str, ...]
    centre: Floats
    scale: Floats
    weights: Floats
    offset: Floats
    sharpness: float
    bar: float
    examples: Floats
    reach: float


@dataclass(frozen=True, slots=True)
class NamedKind:
    """The kind of a frame's defect.

    Attributes:
        kind: one that the line was taught, or ``UNKNOWN``.
        confidence: its probability.
    """

    kind: str
    confidence: float


def pooled_features(features: Floats, residuals: Floats, heat: Floats, hottest: int) -> Floats:
    """What a frame's hot cells look like together, n x D.

    Args:
        features: n x M x C, standardised features of the hot cells, the hottest first.
        residuals: n x M x C, less those of the nearest good patch.
        heat: n x M, their heat: the goods-only map after its median is taken off.
        hottest: how many cells stand for a defect.
    """
    ranks = [0, *(min(rank * hottest, heat.shape[1]) - 1 for rank in RANKS)]
    seen = np.log1p(np.maximum(heat[:, ranks], 0.0))
    means = [values[:, :hottest].mean(axis=1) for values in (features, residuals)]
    return np.concatenate([*means, seen], axis=1).astype(np.float32)


def kind_probabilities(head: KindHead, pooled: Floats) -> tuple[Floats, Floats]:
    """The probability of each kind and of ``UNKNOWN``, and the distance to the nearest example.

    Args:
        head: the arrays.
        pooled: n x D.

    Returns:
        n x (K + 1), and n in units of ``reach``: above 1 a frame is like no kind.
    """
    x = (pooled - head.centre) * head.scale
    scores = x @ head.weights + head.offset
    probabilities = softmax(head.sharpness * with_bar(scores, head.bar))
    products = (head.examples**2).sum(1) - 2.0 * (x @ head.examples.T)
    nearest = np.sqrt(np.maximum((x**2).sum(1) + products.min(axis=1), 0.0)) / head.reach
    return probabilities.astype(np.float32), nearest.astype(np.float32)


def name_kind(kinds: tuple[str, ...], probabilities: Floats, distance: float) -> NamedKind:
    """The kind of one frame, from its K + 1 probabilities and its distance in units of ``reach``."""
    best = int(probabilities.argmax())
    named = best < len(kinds) and probabilities[best] >= LEAST_CONFIDENCE and distance <= 1.0
    if named:
        return NamedKind(kinds[best], float(probabilities[best]))
    return NamedKind(UNKNOWN, float(probabilities[-1]))


def with_bar(scores: NDArray[np.floating], bar: float) -> NDArray[np.floating]:
    """Scores (n x K) and beside them the score of ``UNKNOWN``."""
    return np.concatenate([scores, np.full((len(scores), 1), bar, scores.dtype)], axis=1)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
