"""Logistic regression for few samples: balanced classes, smoothed targets, a prior, bounds.

It is the one fitter behind P(defect) (``calibration``) and behind the weights of edge and cloud
(``fusion``). Both have two to three parameters and, in the worst case, one defect to fit them on, so
each thing here is against over-confidence: the targets are those of Platt (1999), the classes weigh
the same whatever their counts, and the parameters are drawn to a prior.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_odds(p: float) -> float:
    """The logit of a probability in (0, 1)."""
    return math.log(p / (1.0 - p))


def balanced_targets(n_good: int, n_defect: int) -> tuple[Array, Array]:
    """Targets and weights of ``n_good`` goods followed by ``n_defect`` defects.

    Targets are 1 / (n_good + 2) and (n_defect + 1) / (n_defect + 2) (Platt 1999, "Probabilistic
    outputs for support vector machines", section 2.2); each class has weight one half in all.
    """
    target = np.r_[np.full(n_good, 1.0 / (n_good + 2)), np.full(n_defect, (n_defect + 1.0) / (n_defect + 2))]
    weight = np.r_[np.full(n_good, 0.5 / n_good), np.full(n_defect, 0.5 / n_defect)]
    return target, weight


def cross_entropy(logit: Array, target: Array) -> Array:
    """Log loss of each logit against its target in [0, 1], without overflow."""
    return np.logaddexp(0.0, logit) - target * logit


def fit_balanced(
    good: Array,
    defect: Array,
    *,
    prior: Array,
    strength: Array,
    rows: tuple[Array, Array] | None = None,
) -> Array:
    """Weights (never negative) and offset of a logistic regression, at a prevalence of one half.

    Args:
        good, defect: n x d features of each class; at least one row each.
        rows: how much each row of either class weighs against the others of its class; None is alike.
        prior: d + 1 values to which the d weights and the offset are drawn.
        strength: d + 1 values; the penalty is half of strength * (value - prior)^2, on the scale of
            the mean log loss.

    Returns:
        d + 1 values: the weights, then the offset.
    """
    from scipy.optimize import minimize

    x = np.vstack([good, defect])
    x = np.hstack([x, np.ones((len(x), 1))])
    target, weight = balanced_targets(len(good), len(defect))
    if rows is not None:
        weight = np.concatenate([0.5 * row / row.sum() for row in rows])

    def objective(w: Array) -> tuple[float, Array]:
        z = x @ w
        p = 1.0 / (1.0 + np.exp(-np.clip(z, -500, 500)))
        away = w - prior
        loss = weight @ cross_entropy(z, target) + 0.5 * strength @ away**2
        return float(loss), x.T @ (weight * (p - target)) + strength * away

    bounds = [(0.0, None)] * (x.shape[1] - 1) + [(None, None)]
    found = minimize(objective, prior, jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(found.x, dtype=np.float64)
