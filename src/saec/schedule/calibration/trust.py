"""A cloud must earn its say: how far a cloud model is trusted on one line, and how it is fused.

The evidence is labelled calibration images that edge and cloud have both judged. A cloud earns its say
when it does better than chance there, when, cross-fitted, it makes the edge's own P(defect) better, and
when it mends more of their labels than it spoils. Without such images its opinion is advisory: shown,
and no label changes by it.

The label of a fused frame
--------------------------
A line's threshold is a price: at it, the edge trades escapes for overkill at odds P(defect | threshold).
The fused P(defect) is held against the same odds, so a cloud that knows nothing (weight 0) leaves
every label as it is, and one that knows something moves frames across at the price that was agreed.
After the fit the offset is lowered, where needed, until the fused line rejects no more calibration goods
than the rate that was asked, or than the edge alone rejects where that is more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError
from saec.profile import Calibration, CloudTrust, Sigmoid
from saec.schedule.statistics.auroc import Scores, auroc, auroc_interval
from saec.schedule.statistics.logistic import cross_entropy, fit_balanced, log_odds
from saec.types import DEFECT, GOOD

MIN_LABELLED = 5
"""With fewer goods or fewer defects than this nothing can be told of a cloud."""

CLIP = 1e-4
"""Opinions count as between this and one minus this: no single one is ever beyond doubt."""

Array = NDArray[np.float64]

_LIMIT = log_odds(1 - CLIP)
_EDGE_ALONE = np.array([1.0, 0.0, 0.0])
# edge weight, cloud weight and offset: what holds until the images say otherwise
_FOLDS = 5


def trust_cloud(
    model: str,
    prompt: str,
    edge_good: Scores,
    edge_defect: Scores,
    cloud_good: Scores,
    cloud_defect: Scores,
    calibration: Calibration,
) -> CloudTrust:
    """Decide from labelled calibration images what a cloud model may say on this line.

    Args:
        model, prompt: the cloud model and its prompt's version; trust holds for this pair alone.
        edge_good, edge_defect: the edge's scores; those of goods cross-fitted.
        cloud_good, cloud_defect: the cloud's P(defect) of the same images in the same order.
        calibration: the line's, with its P(defect).

    Returns:
        "advisory" when fewer than ``MIN_LABELLED`` goods or defects are known or the line has no
        P(defect); "unasked" when the lower end of the AUROC's 95 % interval is not above one half, when
        fusing does not lower the edge's cross-fitted log loss by more than its standard error, or when
        the fused labels of these images are no better than the edge's; else "fused" with its weights.

    Raises:
        DataError: the opinions do not pair up, or are out of range.
    """
    edge, cloud = _opinions(edge_good, edge_defect), _opinions(cloud_good, cloud_defect)
    _check(edge, cloud)
    n_good, n_defect = len(edge[0]), len(edge[1])
    trust = CloudTrust(model=model, prompt=prompt, mode="advisory", n_good=n_good, n_defect=n_defect)
    if min(n_good, n_defect) < MIN_LABELLED or calibration.p_defect is None:
        return trust
    area = auroc(*cloud)
    low = auroc_interval(area, n_good, n_defect)[0]
    good, defect = (
        np.column_stack([_edge_logit(calibration.p_defect, e), _cloud_logit(c)])
        for e, c in zip(edge, cloud, strict=True)
    )
    earned = _earned(good, defect, edge, calibration) if low > 0.5 else None
    weights = _EDGE_ALONE if earned is None else earned
    return CloudTrust(
        model=model,
        prompt=prompt,
        mode="unasked" if earned is None else "fused",
        auroc=area,
        auroc_low=low,
        edge_weight=float(weights[0]),
        cloud_weight=float(weights[1]),
        offset=float(weights[2]),
        n_good=n_good,
        n_defect=n_defect,
    )


def _earned(good: Array, defect: Array, edge: tuple[Array, Array], calibration: Calibration) -> Array | None:
    """The fusion's weights, or None for a cloud that has not earned its say.

    Args:
        good, defect: edge and cloud logits of each image, n x 2.
        edge: scores of the same goods and defects.
    """
    odds = log_odds(calibration.prevalence)
    if not _helps(good, defect, odds):
        return None
    weights = _hold_overkill(_fit(good, defect, odds), good, edge[0], calibration)
    price = math.exp(odds - _cut(_sigmoid(calibration), calibration))  # of escapes, in overkills
    mended = _mended(weights, good, edge[0], GOOD, calibration)
    mended += price * _mended(weights, defect, edge[1], DEFECT, calibration)
    return weights if mended > 0 else None


def fused_label(calibration: Calibration, trust: CloudTrust, score: float, cloud_p: float) -> int:
    """The label at the line's threshold: DEFECT when the fused odds reach those of the threshold.

    Unless ``trust`` is fused it is the edge's label, whatever the cloud says.

    Raises:
        ConfigError: ``trust`` is fused and the line has no P(defect).
    """
    if trust.mode != "fused":
        return DEFECT if score >= calibration.threshold else GOOD
    sigmoid = _sigmoid(calibration)
    reached = _fused_logit(sigmoid, trust, score, cloud_p) >= _cut(sigmoid, calibration)
    return DEFECT if reached else GOOD


def fused_decision(
    calibration: Calibration, trust: CloudTrust, score: float, cloud_p: float
) -> tuple[int, float]:
    """The label and P(defect) of a frame that the cloud was asked about; the edge's own unless fused.

    Args:
        score: the edge's anomaly score.
        cloud_p: the cloud's P(defect).

    Returns:
        ``fused_label``, and P(defect) by the fused odds.

    Raises:
        ConfigError: the line has no P(defect).
    """
    sigmoid = _sigmoid(calibration)
    if trust.mode != "fused":
        return fused_label(calibration, trust, score, cloud_p), sigmoid(score)
    logit = _fused_logit(sigmoid, trust, score, cloud_p)
    label = DEFECT if logit >= _cut(sigmoid, calibration) else GOOD
    return label, 1.0 / (1.0 + math.exp(-logit))


def _fused_logit(sigmoid: Sigmoid, trust: CloudTrust, score: float, cloud_p: float) -> float:
    # In plain floats: it is called for every frame, and NumPy takes ten times as long for one number.
    edge = min(max(sigmoid.logit(score), -_LIMIT), _LIMIT)
    cloud = log_odds(min(max(cloud_p, CLIP), 1 - CLIP))
    return trust.edge_weight * edge + trust.cloud_weight * cloud + trust.offset


def _cut(sigmoid: Sigmoid, calibration: Calibration) -> float:
    """The logit that a fused frame must reach to be a defect: the edge's own at its threshold."""
    return min(max(sigmoid.logit(calibration.threshold), -_LIMIT), _LIMIT)


def _edge_logit(sigmoid: Sigmoid, score: Array) -> Array:
    return np.clip(sigmoid.slope * (score - sigmoid.centre) + sigmoid.offset, -_LIMIT, _LIMIT)


def _cloud_logit(p: Array) -> Array:
    p = np.clip(p, CLIP, 1 - CLIP)
    return np.log(p / (1 - p))


def _fit(good: Array, defect: Array, odds: float) -> Array:
    """Edge weight, (cloud weight,) offset, with edge logits at prior log odds ``odds``.

    The prior is the edge as it is; a weight is thought to be within about one of it, the offset within
    three, and one sample of the smaller class counts about as much as that prior.
    """
    d = good.shape[1]
    prior = np.r_[_EDGE_ALONE[:d], 0.0]
    strength = np.r_[np.ones(d), 1 / 9] / (2 * min(len(good), len(defect)))
    shift = np.r_[odds, np.zeros(d - 1)]
    weights = fit_balanced(good - shift, defect - shift, prior=prior, strength=strength)
    weights[-1] += (1 - weights[0]) * odds
    return weights


def _helps(good: Array, defect: Array, odds: float) -> bool:
    """Whether edge and cloud have a lower log loss than the edge alone on images not fitted on.

    Both are refitted in each fold, so the cloud gets no credit for what only mends the edge.
    """
    rng = np.random.default_rng(0)
    k = min(_FOLDS, len(good), len(defect))
    fold_g, fold_d = rng.permutation(len(good)) % k, rng.permutation(len(defect)) % k
    gain_g, gain_d = np.zeros(len(good)), np.zeros(len(defect))
    for fold in range(k):
        g, d = fold_g == fold, fold_d == fold
        both = _fit(good[~g], defect[~d], odds)
        edge = _fit(good[~g, :1], defect[~d, :1], odds)
        gain_g[g] = _loss(good[g, :1], edge, GOOD, odds) - _loss(good[g], both, GOOD, odds)
        gain_d[d] = _loss(defect[d, :1], edge, DEFECT, odds) - _loss(defect[d], both, DEFECT, odds)
    error = math.sqrt((gain_g.var(ddof=1) / len(good) + gain_d.var(ddof=1) / len(defect)) / 4)
    return bool((gain_g.mean() + gain_d.mean()) / 2 > error)


def _loss(features: Array, weights: Array, label: int, odds: float) -> Array:
    """Log loss of each row, at a prevalence of one half."""
    logit = features @ weights[:-1] + weights[-1] - odds
    return cross_entropy(logit, np.full(len(features), float(label)))


def _hold_overkill(weights: Array, good: Array, score: Array, calibration: Calibration) -> Array:
    """Lower the offset until the fused line rejects no more goods than was asked (module docstring).

    Goods above the gate are rejected without the cloud; those below it pass without it.
    """
    gate, sigmoid = calibration.gate, _sigmoid(calibration)
    asked = math.floor(calibration.overkill * (len(score) + 1))
    allowed = max(asked, int((score >= calibration.threshold).sum()))
    budget = allowed - int((score > gate.high).sum())
    unsure = (score >= gate.low) & (score <= gate.high)
    fused = np.sort(good[unsure] @ weights[:-1] + weights[-1])[::-1]
    excess = fused[budget] - _cut(sigmoid, calibration) if budget < len(fused) else -1.0
    return weights - np.r_[0.0, 0.0, excess + 1e-9] if excess >= 0 else weights


def _mended(weights: Array, logits: Array, score: Array, label: int, calibration: Calibration) -> float:
    """Share of one label's images that the fused line puts right, less the share that it spoils.

    A lower log loss alone may be mere confidence: beside an edge that is right, it mends no label and
    can only break some.
    """
    gate = calibration.gate
    unsure = (score >= gate.low) & (score <= gate.high)
    before = score[unsure] >= calibration.threshold
    after = logits[unsure] @ weights[:-1] + weights[-1] >= _cut(_sigmoid(calibration), calibration)
    right = 1.0 if label == DEFECT else -1.0
    return right * float(after.sum() - before.sum()) / len(score)


def _sigmoid(calibration: Calibration) -> Sigmoid:
    if calibration.p_defect is None:
        raise ConfigError(
            "the line has no P(defect), so edge and cloud cannot be combined",
            "calibrate it with labelled defects",
        )
    return calibration.p_defect


def _opinions(good: Scores, defect: Scores) -> tuple[Array, Array]:
    return np.asarray(good, dtype=np.float64), np.asarray(defect, dtype=np.float64)


def _check(edge: tuple[Array, Array], cloud: tuple[Array, Array]) -> None:
    if [len(a) for a in edge] != [len(a) for a in cloud]:
        raise DataError(
            f"the edge judged {len(edge[0])} good images and {len(edge[1])} defects, but the cloud "
            f"{len(cloud[0])} and {len(cloud[1])}",
            "give both opinions on the same images",
        )
    if not all(np.isfinite(a).all() for a in edge):
        raise DataError("a score of the edge is NaN or infinite", "check those images")
    # a NaN fails this comparison as well
    if not all(((a >= 0) & (a <= 1)).all() for a in cloud):
        raise DataError(
            "a P(defect) of the cloud is not between 0 and 1",
            "report this: it is a fault of the cloud engine",
        )
