"""What it is worth to ask the cloud about a frame: the loss expected to be saved, less the price.

Three things are multiplied, each fitted on labelled calibration images where there are some and stated
where there are none:

- how likely the edge errs on a frame, ``error``. By the score alone that is P(defect) for a frame that the
  edge passes and 1 - P(defect) for one that it rejects; a logistic regression of the edge's errors on those
  log odds and on the frame's complexity corrects it (stacking, Wolpert 1992). Its weights are never
  negative: more doubt or more complexity never lowers the value. On either side of the threshold it falls
  smoothly with the distance; at the threshold itself it steps, because the label turns over there and
  P(defect) does not.
- how likely the cloud's answer mends an error, or spoils what was right (``Mending``): shares counted on
  the images that edge and cloud have both judged, under the line's own fusion, each drawn to a prior that
  weighs as much as four images.
- what an escape, an overkill and a question cost (``CostConfig``).

A question has one price whatever the frame, so ranking by the loss saved per cost is ranking by the loss
saved. Without labelled defects there is no P(defect); the distance from the threshold, in units of the
goods' spread below it, takes the place of its log odds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.profile import Asking, Calibration, CloudTrust, Mending
from saec.schedule.calibration.trust import fused_label
from saec.schedule.policies.score_drift import LIMIT, ScoreStream, limited, spread
from saec.schedule.statistics.auroc import Scores
from saec.schedule.statistics.logistic import fit_balanced, log_odds
from saec.settings import CostConfig
from saec.types import DEFECT, GOOD

Array = NDArray[np.float64]

STEEPNESS = 4.0
"""Log odds per unit of spread where a line has no P(defect): its median good has 2 % of being wrong."""

MOST_COMPLEX = 8.0
"""Complexity beyond which a frame counts as no stranger still."""

_PRIOR_COUNT = 4.0
# images that the assumed mending weighs as


@dataclass(frozen=True, slots=True)
class AskingValue:
    """The value of asking about frames of one line; built by ``value_of``. Calls take the same time always.

    Attributes:
        threshold: the line's.
        slope, offset: log odds of a defect = slope * score + offset.
        asking, mending, costs: see their types.
    """

    threshold: float
    slope: float
    offset: float
    asking: Asking
    mending: Mending
    costs: CostConfig

    def error(self, complexity: float | None, score: float, stream: ScoreStream | None = None) -> float:
        """The probability that the edge's label is wrong.

        Args:
            complexity: the frame's, in the line's own units; None counts as a typical good's, NaN as the
                highest.
            score: the edge's anomaly score, finite.
            stream: what the scores are like now; None is as they were at calibration.
        """
        fitted = self.asking
        doubt = limited(self.slope * score + self.offset) if stream is None else stream.logit(score)
        doubt = -doubt if score >= self.threshold else doubt
        return _sigmoid(fitted.sharpness * doubt + fitted.oddness * _oddness(complexity) + fitted.offset)

    def of(self, complexity: float | None, score: float, stream: ScoreStream | None = None) -> float:
        """Expected loss saved by asking, less the price of a question; above 0 it is worth asking.

        A score that is NaN has no bounds to its value: such a frame is always asked about.
        """
        if math.isnan(score):
            return math.inf
        wrong = self.error(complexity, score, stream)
        costs, cloud = self.costs, self.mending
        if score >= self.threshold:
            saved = wrong * cloud.overkill * costs.overkill - (1 - wrong) * cloud.to_escape * costs.escape
        else:
            saved = wrong * cloud.escape * costs.escape - (1 - wrong) * cloud.to_overkill * costs.overkill
        return saved - price(costs)


def price(costs: CostConfig) -> float:
    """What one question costs."""
    return (
        costs.joule * costs.question_joules
        + costs.byte * costs.question_bytes
        + costs.millisecond * costs.question_milliseconds
    )


def value_of(calibration: Calibration, trust: CloudTrust | None, costs: CostConfig) -> AskingValue:
    """The value of asking on a line; of a cloud that was not measured there, what is assumed."""
    slope, offset = _log_odds_of_score(calibration)
    mending = trust.mending if trust is not None else Mending()
    return AskingValue(calibration.threshold, slope, offset, calibration.asking, mending, costs)


def fit_asking(calibration: Calibration) -> Asking:
    """How likely the edge errs, from the calibration's own labelled images; as assumed without errors.

    Goods count with their cross-fitted scores. The classes are weighed to the line's prevalence. Without
    the complexity of every image the fit is of the score alone.
    """
    goods, defects = calibration.good_scores, calibration.defect_scores
    if calibration.p_defect is None or not goods or not defects:
        return Asking()
    score = np.array([*goods.values(), *defects.values()], dtype=np.float64)
    truth = np.r_[np.zeros(len(goods), bool), np.ones(len(defects), bool)]
    label = score >= calibration.threshold
    wrong = label != truth
    if not wrong.any() or wrong.all():
        return Asking()
    share = calibration.prevalence
    weight = np.where(truth, share / len(defects), (1 - share) / len(goods))
    doubt = _doubt(calibration, score, label)
    oddness = _oddness_of(calibration, [*goods, *defects])
    return _fit(np.column_stack([doubt, oddness]), wrong, weight)


def measure_mending(
    calibration: Calibration,
    trust: CloudTrust,
    edge_good: Scores,
    edge_defect: Scores,
    cloud_good: Scores,
    cloud_defect: Scores,
) -> Mending:
    """What asking a cloud changes, counted on images that edge and cloud have both judged.

    Args:
        trust: the cloud's; unless it is fused its answers change no label and nothing is measured.
        edge_good, edge_defect: the edge's scores.
        cloud_good, cloud_defect: the cloud's P(defect) of the same images in the same order.
    """
    if trust.mode != "fused":
        return Mending()

    def turned(edge: Scores, cloud: Scores, truth: int) -> tuple[list[bool], list[bool]]:
        """Of the frames that the edge labels wrongly, whether each is mended; of the others, spoilt."""
        mended: list[bool] = []
        spoilt: list[bool] = []
        for score, p in zip(edge, cloud, strict=True):
            changed = fused_label(calibration, trust, float(score), float(p)) != (
                DEFECT if score >= calibration.threshold else GOOD
            )
            wrong = (score >= calibration.threshold) != (truth == DEFECT)
            (mended if wrong else spoilt).append(changed)
        return mended, spoilt

    overkills, goods = turned(edge_good, cloud_good, GOOD)
    escapes, defects = turned(edge_defect, cloud_defect, DEFECT)
    assumed = Mending()
    return Mending(
        escape=_share(escapes, assumed.escape),
        overkill=_share(overkills, assumed.overkill),
        to_overkill=_share(goods, assumed.to_overkill),
        to_escape=_share(defects, assumed.to_escape),
        errors=len(overkills) + len(escapes),
    )


def _fit(features: Array, wrong: NDArray[np.bool_], weight: Array) -> Asking:
    """The regression of errors on doubt and oddness, drawn to ``Asking()`` as the errors are few.

    It is fitted with errors and others weighing the same and moved back to their true odds.
    """
    assumed = Asking()
    odds = log_odds(float(np.clip(weight[wrong].sum(), 1e-3, 1 - 1e-3)))
    features = features - np.array([odds, 0.0])
    prior = np.array([assumed.sharpness, assumed.oddness, 0.0])
    # thought to be within about 1, the oddness within a quarter, the offset within 3 of the prior
    strength = np.array([1.0, 16.0, 1 / 9]) / (2 * int(wrong.sum()))
    sharpness, oddness, offset = fit_balanced(
        features[~wrong],
        features[wrong],
        prior=prior,
        strength=strength,
        rows=(weight[~wrong], weight[wrong]),
    )
    return Asking(
        sharpness=float(sharpness),
        oddness=float(oddness),
        offset=float(offset + (1 - sharpness) * odds),
        errors=int(wrong.sum()),
    )


def _log_odds_of_score(calibration: Calibration) -> tuple[float, float]:
    """Slope and offset of the log odds of a defect over the score."""
    sigmoid = calibration.p_defect
    if sigmoid is not None:
        return sigmoid.slope, sigmoid.offset - sigmoid.slope * sigmoid.centre
    slope = STEEPNESS / spread(calibration)
    return slope, -slope * calibration.threshold


def _doubt(calibration: Calibration, score: Array, label: NDArray[np.bool_]) -> Array:
    slope, offset = _log_odds_of_score(calibration)
    defect = np.clip(slope * score + offset, -LIMIT, LIMIT)
    return np.where(label, -defect, defect)


def _oddness_of(calibration: Calibration, hashes: list[str]) -> Array:
    known = calibration.complexities
    if not all(sha in known for sha in hashes):
        return np.zeros(len(hashes))
    return np.array([_oddness(known[sha]) for sha in hashes])


def _oddness(complexity: float | None) -> float:
    if complexity is None:
        return 0.0
    return min(max(complexity, 0.0), MOST_COMPLEX) if complexity == complexity else MOST_COMPLEX


def _share(happened: list[bool], assumed: float) -> float:
    return (sum(happened) + _PRIOR_COUNT * assumed) / (len(happened) + _PRIOR_COUNT)


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))


def with_asking(calibration: Calibration) -> Calibration:
    """The calibration with its ``asking`` fitted on what it holds."""
    return msgspec.structs.replace(calibration, asking=fit_asking(calibration))
