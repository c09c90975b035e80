"""Fit the head that names the kind of a defect, with a confidence that is calibrated on unseen parts.

A ridge regression on the kinds (Hoerl and Kennard 1970) in its dual form, whose scores with a part left out
have a closed form (Allen 1974). Two numbers turn scores into probabilities: they fit the scores of defects
whose part was left out, and those of defects whose whole kind was, which are unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.defects.kind_head import Floats, KindHead, softmax, with_bar

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

RIDGE_SHARE = 0.3
"""Penalty of the ridge regression, as a share of the mean squared size of a defect's features."""

SHARPNESS = np.geomspace(1.0, 64.0, 25)
BARS = np.linspace(0.0, 1.2, 25)
"""Values that the calibration tries."""

WITHIN_REACH = 0.95
"""Share of defects of known kinds that lie within reach of the others."""


@dataclass(frozen=True, slots=True, eq=False)
class KindHeadFit:
    """What came of the fit.

    Attributes:
        head: the head.
        unseen: n x (K + 1), probabilities of each defect with its part left out.
    """

    head: KindHead
    unseen: Array


def fit_kind_head(pooled: Floats, kinds: list[str], parts: Numbers) -> KindHeadFit | None:
    """Fit the head, or None where fewer than two kinds have two parts.

    Args:
        pooled: n x D, ``pooled_features`` of the defects whose kind is known; C of them are means of
            features, C of residuals, the rest heat.
        kinds: the kind of each.
        parts: a number that stands for the part of each.
    """
    names, kind = np.unique(kinds, return_inverse=True)
    repeated = np.array([len(np.unique(parts[kind == k])) > 1 for k in range(len(names))])
    if repeated.sum() < 2:
        return None
    centre, scale = _comparable(pooled.astype(np.float64))
    x = (pooled - centre) * scale
    ridge = _Ridge.fit(x, np.eye(len(names))[kind])
    unseen = ridge.without_parts(parts)
    tested = repeated[kind]
    sharpness, bar = _calibrate(unseen[tested], kind[tested], _of_left_out_kinds(x, kind), len(kinds))
    head = KindHead(
        kinds=tuple(str(name) for name in names),
        centre=centre.astype(np.float32),
        scale=scale.astype(np.float32),
        weights=ridge.weights.astype(np.float32),
        offset=ridge.offset.astype(np.float32),
        sharpness=sharpness,
        bar=bar,
        examples=x.astype(np.float32),
        reach=_reach(x, parts),
    )
    return KindHeadFit(head, np.asarray(softmax(sharpness * with_bar(unseen, bar)), np.float64))


def _comparable(pooled: Array) -> tuple[Array, Array]:
    """Centre and scale: features, residuals and heat vary equally, as much together as each other group."""
    channels = pooled.shape[1] // 2 - 2
    sizes = np.repeat([channels, channels, 4], [channels, channels, 4])
    deviation = np.maximum(pooled.std(axis=0), 1e-6)
    return pooled.mean(axis=0), 1.0 / (deviation * np.sqrt(sizes))


@dataclass(frozen=True, slots=True, eq=False)
class _Ridge:
    """A ridge regression: x @ weights + offset; ``hat`` takes the targets to the fitted values."""

    weights: Array
    offset: Array
    targets: Array
    hat: Array

    @classmethod
    def fit(cls, x: Array, targets: Array) -> _Ridge:
        middle, mean = x.mean(axis=0), targets.mean(axis=0)
        off = x - middle
        products = off @ off.T
        penalty = RIDGE_SHARE * np.trace(products) / len(x) + 1e-9
        inverse = np.linalg.inv(products + penalty * np.eye(len(x)))
        weights = off.T @ (inverse @ (targets - mean))
        return cls(weights, mean - middle @ weights, targets, products @ inverse + 1.0 / len(x))

    def without_parts(self, parts: Numbers) -> Array:
        """Fitted values of each sample by a regression without its part."""
        unseen = self.hat @ self.targets
        for part in np.unique(parts):
            own = np.flatnonzero(parts == part)
            error = self.targets[own] - unseen[own]
            left = np.eye(len(own)) - self.hat[np.ix_(own, own)]
            unseen[own] = self.targets[own] - np.linalg.solve(left, error)
        return unseen


def _of_left_out_kinds(x: Array, kind: Numbers) -> list[Array]:
    """For each kind, the scores of its defects by a regression that knows only the others."""
    count = int(kind.max()) + 1
    if count < 3:
        return []
    scores = []
    for k in range(count):
        others = kind != k
        targets = np.delete(np.eye(count), k, axis=1)[kind[others]]
        ridge = _Ridge.fit(x[others], targets)
        scores.append(x[~others] @ ridge.weights + ridge.offset)
    return scores


def _calibrate(known: Array, kind: Numbers, unknown: list[Array], count: int) -> tuple[float, float]:
    """Sharpness and bar of the least log loss.

    After n defects of K kinds the next one is taken to be of a new kind with probability K / (K + n).
    """
    kinds = known.shape[1]
    new = kinds / (kinds + count) if unknown else 0.0
    least, best = math.inf, (1.0, 0.0)
    for sharpness in SHARPNESS:
        for bar in BARS:
            right = softmax(sharpness * with_bar(known, bar))[np.arange(len(kind)), kind]
            loss = -(1.0 - new) * float(np.log(right + 1e-12).mean())
            if unknown:
                told = [softmax(sharpness * with_bar(scores, bar))[:, -1] for scores in unknown]
                loss -= new * float(np.log(np.concatenate(told) + 1e-12).mean())
            if loss < least:
                least, best = loss, (float(sharpness), float(bar))
    return best


def _reach(x: Array, parts: Numbers) -> float:
    """The distance to the nearest defect of another part that most of the defects keep."""
    squares = (x**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * (x @ x.T), 0.0))
    distances[parts[:, None] == parts] = np.inf
    level = min(1.0, WITHIN_REACH * (len(x) + 1) / len(x))
    return max(float(np.quantile(distances.min(axis=1), level)), 1e-6)
