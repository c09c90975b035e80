"""From scores to a calibration: the threshold by a rule, P(defect) where defects are known, the gate.

A calibration can be redone at any time from scores; the detector is not touched by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.profile import Calibration, Gate, Sigmoid
from saec.schedule.calibration.threshold_choices import LabelledScores, choose_threshold
from saec.schedule.statistics.logistic import fit_balanced, log_odds
from saec.schedule.statistics.threshold import share_above, sorted_scores, threshold_for
from saec.settings import GateConfig
from saec.settings.threshold_rule import GOODS_ALONE, ThresholdRule

RATES = (0.01, 0.02, 0.05, 0.10)
"""Overkill rates whose thresholds every calibration states, for information."""

Array = NDArray[np.float64]

_REACH = (-2.0, 5.0)
# Scores further out count as if they were here, in units of (threshold - median of goods) from that
# median: one defect a hundred times above the threshold must not flatten the slope for all others.


def calibrate(
    goods: Mapping[str, float],
    defects: Sequence[float],
    *,
    rule: ThresholdRule,
    gate: GateConfig,
    prevalence: float,
    created: str,
) -> Calibration:
    """Make version 1 of a calibration.

    Args:
        goods: content hash -> cross-fitted score of each good, at least 3.
        defects: scores of labelled defects; may be empty, then there is no P(defect).
        rule: what the threshold is chosen by (``saec.schedule.calibration.threshold_choices``).
        gate: what "not sure" means.
        prevalence: share of defects at which P(defect) is stated, and costs are weighed, in (0, 1).
        created: ISO time.

    Raises:
        DataError: too few goods, or too few defects for the rule, or a score that is not finite.
        ConfigError: a rate outside (0, 1), or a gate upside down.
    """
    _check(gate, prevalence)
    good_scores = sorted_scores(list(goods.values()), "goods")
    defect_scores = sorted_scores(defects, "defects")
    threshold = choose_threshold(LabelledScores(good_scores, defect_scores), rule, prevalence)
    overkill = rule.overkill_rate
    if overkill is None:
        overkill = float(share_above(good_scores, np.array(threshold)))
    stated = {*RATES, rule.overkill_rate or GOODS_ALONE}
    sigmoid = None
    if len(defect_scores):
        sigmoid = fit_sigmoid(good_scores, defect_scores, threshold=threshold, prevalence=prevalence)
    return Calibration(
        version=1,
        created=created,
        rule=rule,
        overkill=overkill,
        threshold=threshold,
        thresholds_at={f"{r:g}": threshold_for(good_scores, r) for r in sorted(stated)},
        gate=_gate(good_scores, defect_scores, threshold, sigmoid, gate),
        prevalence=prevalence,
        p_defect=sigmoid,
        goods=good_scores.tolist(),
        defects=defect_scores.tolist(),
        good_scores=dict(goods),
    )


def fit_sigmoid(goods: Array, defects: Array, *, threshold: float, prevalence: float) -> Sigmoid:
    """P(defect) as a function of the score (Platt 1999), never falling, at a stated prevalence.

    It is fitted with both classes weighing the same and then moved to the prevalence by its log odds
    (Saerens et al. 2002), so another prevalence changes the offset and nothing else. With few defects
    Platt's targets keep it modest: one defect is at most two thirds sure where it lies.
    """
    centre = float(np.median(goods))
    unit = _unit(goods, defects, threshold)
    good, defect = (np.clip((s - centre) / unit, *_REACH)[:, None] for s in (goods, defects))
    slope, offset = fit_balanced(good, defect, prior=np.zeros(2), strength=np.array([1e-3, 0.0]))
    return Sigmoid(slope=float(slope) / unit, centre=centre, offset=float(offset) + log_odds(prevalence))


def _unit(goods: Array, defects: Array, threshold: float) -> float:
    """A robust unit of score: from the goods' median to the threshold.

    Where goods hardly vary that says nothing, and the median distance of the defects takes its place.
    """
    centre = float(np.median(goods))
    span = threshold - centre
    if goods[-1] > goods[0] and span > max(1e-3 * float(np.std(goods)), float(np.finfo(np.float32).tiny)):
        return span
    distance = float(np.median(np.abs(defects - centre)))
    return distance if distance > np.finfo(np.float32).tiny else 1.0


def _gate(
    goods: Array, defects: Array, threshold: float, sigmoid: Sigmoid | None, config: GateConfig
) -> Gate:
    """The two scores between which the edge is not sure; the threshold is always between them."""
    if sigmoid is None:
        low, high = threshold_for(goods, config.tail_high), threshold_for(goods, config.tail_low)
        return Gate(low=min(low, threshold), high=max(high, threshold), basis="goods")
    known = np.concatenate([goods, defects, [threshold]])
    low = _score_at(sigmoid, config.p_low, known)
    high = _score_at(sigmoid, config.p_high, known)
    return Gate(low=min(low, threshold), high=max(high, threshold), basis="p_defect")


def _score_at(sigmoid: Sigmoid, p: float, known: Array) -> float:
    """The score at which P(defect) is ``p``, at most one range of the known scores outside of them.

    A flat sigmoid (scores that tell nothing) reaches ``p`` nowhere: then everything known is unsure.
    """
    bottom, top = float(known.min()), float(known.max())
    margin = (top - bottom) or 1.0
    rise = log_odds(p) - sigmoid.offset
    if sigmoid.slope * margin * 2 <= abs(rise):
        return top + margin if rise > 0 else bottom - margin
    return float(np.clip(sigmoid.centre + rise / sigmoid.slope, bottom - margin, top + margin))


def _check(gate: GateConfig, prevalence: float) -> None:
    if not 0.0 < prevalence < 1.0:
        raise ConfigError(f"prevalence {prevalence:g} is not between 0 and 1", "give a share such as 0.5")
    if not 0.0 < gate.p_low <= gate.p_high < 1.0:
        raise ConfigError(
            f"the gate's ends P(defect) {gate.p_low:g} and {gate.p_high:g} are out of range or in the "
            "wrong order",
            "give 0 < p_low <= p_high < 1",
        )
    if not 0.0 < gate.tail_low <= gate.tail_high < 1.0:
        raise ConfigError(
            f"the shares of good images above the gate ({gate.tail_low:g}) and above its low end "
            f"({gate.tail_high:g}) are out of range or in the wrong order",
            "give 0 < tail_low <= tail_high < 1",
        )
