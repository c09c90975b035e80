"""Edge and cloud put together, for the benchmark of spending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saec.schedule.calibration.trust import CLIP
from saec.schedule.statistics.logistic import fit_balanced

Array = NDArray[np.float64]

_REACH = (-2.0, 5.0)
"""Scores further out count as these, as in a calibration."""


def fused(risen: list[Array], cloud: list[Array], defect: list[NDArray[np.bool_]]) -> list[Array]:
    """P(defect) of edge and cloud together, of each line's frames.

    A logistic regression of the edge's score and the cloud's logit, fitted on all frames of the other lines,
    goods and defects weighing the same. A real line has weights of its own, from its labelled images, and the
    cloud may get none (``saec.schedule.calibration.trust``).

    Args:
        risen: the edge's scores, in units of the line.
        cloud: the cloud's P(defect).
        defect: the labels.
    """
    features = [_features(*of) for of in zip(risen, cloud, strict=True)]
    found = []
    for n, own in enumerate(features):
        x, label = (np.concatenate([a for m, a in enumerate(of) if m != n]) for of in (features, defect))
        weights = _weights(x[~label], x[label])
        found.append(1 / (1 + np.exp(-(own @ weights[:-1] + weights[-1]))))
    return found


def _features(risen: Array, cloud: Array) -> Array:
    p = np.clip(cloud, CLIP, 1 - CLIP)
    return np.column_stack([np.clip(risen, *_REACH), np.log(p / (1 - p))])


def _weights(good: Array, defect: Array) -> Array:
    strength = np.array([1.0, 1.0, 1 / 9]) / (2 * min(len(good), len(defect)))
    return fit_balanced(good, defect, prior=np.array([1.0, 0.0, 0.0]), strength=strength)
