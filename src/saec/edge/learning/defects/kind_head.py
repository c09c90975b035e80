"""Which kind of defect a frame shows: its hottest cells against those of defects whose kind is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RANKS = (1, 2, 4)
"""Multiples of ``hottest`` at whose rank the heat is read, beside that of the hottest cell: size counts."""


@dataclass(frozen=True, slots=True, eq=False)
class KindHead:
    """The arrays of the head. D = 2C + 4 pooled features, K kinds, n defects whose kind is known.

    Attributes:
        kinds: the K names.
        centre, scale: D: pooled features to comparable ones, (pooled - centre) * scale.
        weights, offset: D x K and K: comparable features to a score of each kind.
        sharpness, bar: probabilities are the softmax of sharpness x (scores, bar); the last is an unknown
            kind's.
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


def with_bar(scores: NDArray[np.floating], bar: float) -> NDArray[np.floating]:
    """Scores (n x K) and beside them the score of an unknown kind."""
    return np.concatenate([scores, np.full((len(scores), 1), bar, scores.dtype)], axis=1)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
