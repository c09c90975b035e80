"""The gate between the fitted detector and its exported graph: every label must be the same.

Two links make the chain. The exported head must agree with the fitted one on the features of kept frames; the
whole graph must agree with the feature graph and the fitted head on images. Both are tried on the frames
nearest to the threshold, whose labels would be the first to change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.graph import SLIGHT
from saec.edge.learning.head.detector_head import PatchModel, head
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.errors import ParityError
from saec.reading_ahead import ahead

HEADS, IMAGES = 32, 16
"""Frames on whose features the head is tried, and images that the whole graph is tried on."""

_DRAWS = 4
"""Ways to round a frame's features that are tried to see how far rounding moves its score."""

_FITTED = 2
"""Frames on which the fitted head works at once."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parity:
    """How the exported graph compares with the fitted detector.

    Attributes:
        heads: frames on whose features both heads were compared.
        images: images on which the whole graph was compared.
        largest: largest difference of two scores.
        threshold: the score at which both give every one of them the same label. It is the one that was
            asked for, or the nearest to it where a score lay within rounding of it.
    """

    heads: int
    images: int
    largest: float
    threshold: float


def check_parity(
    model: PatchModel,
    exported_head: Callable[[Floats], float],
    kept: Iterable[Floats],
    pairs: Iterable[tuple[Floats, float]],
    threshold: float,
    *,
    rounding: float,
) -> Parity:
    """Score by both and compare the labels at the threshold.

    Args:
        model: the fitted head.
        exported_head: the exported head's score of features, 1 x C x h x w.
        kept: features of frames, 1 x C x h x w each.
        pairs: features of images, 1 x C x h x w each, and the whole graph's score of the same image.
        threshold: scores at or above it are defects.
        rounding: share of a channel's largest feature by which arithmetic may change a feature.

    Raises:
        ParityError: a label differs by more than rounding.
    """
    scores: list[tuple[float, float]] = []
    allowed = SLIGHT * max(1.0, abs(threshold))
    heads = 0

    def told() -> Iterator[tuple[Floats, float]]:
        nonlocal heads
        for features in kept:
            heads += 1
            yield features, exported_head(features)
        yield from pairs

    def both(pair: tuple[Floats, float]) -> tuple[Floats, float, float]:
        features, exported = pair
        return features, float(head(NumpyOps(), features, model).score[0]), exported

    with ThreadPoolExecutor(_FITTED) as pool:  # the fitted head works while the exported one does
        for features, fitted, exported in ahead(pool, both, told(), 2 * _FITTED):
            scores.append((fitted, exported))
            if (fitted >= threshold) != (exported >= threshold):
                allowed = max(allowed, rounding_of(model, features, rounding))
    agreed = _agreed(scores, threshold)
    largest = max((abs(a - b) for a, b in scores), default=0.0)
    if abs(agreed - threshold) > allowed:
        flips = sum((a >= threshold) != (b >= threshold) for a, b in scores)
        raise ParityError(
            "the exported graph gives another label than the fitted detector on "
            f"{flips} of {len(scores)} calibration images (largest score difference "
            f"{largest:.2g})",
            "fit with dtype float32; if that was used already, report this: the export is at fault",
        )
    return Parity(heads, len(scores) - heads, largest, agreed)


def rounding_of(model: PatchModel, features: Floats, share: float) -> float:
    """How far rounding may move a frame's score.

    The features are moved by what the backbone's sums may be off, of either sign; and the head is computed
    in float64, too, as a distance is the root of sums that cancel each other where it is small.

    Args:
        model: the fitted head.
        features: 1 x C x h x w.
        share: the part of each channel's largest feature that it may be off.
    """
    score = float(head(NumpyOps(), features, model).score[0])
    exact = float(head(NumpyOps(np.float64), features.astype(np.float64), model).score[0])
    error = share * np.abs(features).max(axis=(2, 3), keepdims=True)
    generator = np.random.default_rng(0)
    moved = 2 * abs(exact - score)
    for _ in range(_DRAWS):
        signs = generator.integers(0, 2, features.shape) * 2.0 - 1
        off = head(NumpyOps(), (features + error * signs).astype(np.float32), model)
        moved = max(moved, abs(float(off.score[0]) - score))
    return moved


def _agreed(scores: Sequence[tuple[float, float]], threshold: float) -> float:
    """The nearest threshold that lies between the two scores of no image."""

    def parts(t: float) -> list[tuple[float, float]]:
        return [(min(s), max(s)) for s in scores if (s[0] >= t) != (s[1] >= t)]

    up = down = threshold
    while split := parts(up):
        up = math.nextafter(max(high for _, high in split), math.inf)
    while split := parts(down):
        down = min(low for low, _ in split)
    return up if up - threshold <= threshold - down else down
