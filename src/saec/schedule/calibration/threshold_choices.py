"""The threshold that a rule chooses, and what other choices would have given on the same scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError
from saec.profile import Calibration
from saec.schedule.statistics.error_rates import (
    MIN_DEFECTS,
    ErrorCurves,
    error_curves,
    escape_threshold,
    need_defects,
)
from saec.schedule.statistics.threshold import threshold_for
from saec.settings.threshold_rule import GOODS_ALONE, MOST_OVERKILL, ErrorCosts, ThresholdRule

Array = NDArray[np.float64]
Interval = tuple[float, float]

FOLDS = 20
"""Parts are judged in so many groups, each by a threshold from the others."""

OFFERED = (
    ThresholdRule(),
    ThresholdRule(overkill_rate=0.05),
    ThresholdRule(overkill_rate=0.02),
    ThresholdRule(escape_rate=0.05),
    ThresholdRule(cost=ErrorCosts(missed_defect=1.0, false_reject=1.0)),
    ThresholdRule(cost=ErrorCosts(missed_defect=10.0, false_reject=1.0)),
)
"""The rules that every table compares."""

_TAIL = 0.025
# Of a 95 % interval, on either side.


@dataclass(frozen=True)
class LabelledScores:
    """Scores as if unseen.

    Attributes:
        goods: sorted, at least three.
        defects: sorted; may be empty.
    """

    goods: Array
    defects: Array

    @cached_property
    def curves(self) -> ErrorCurves:
        """Both error rates as functions of the threshold."""
        return error_curves(self.goods, self.defects)


def choose_threshold(scores: LabelledScores, rule: ThresholdRule, prevalence: float) -> float:
    """The threshold of a rule.

    The default, a rule without any wish, has two cases. With fewer than ``MIN_DEFECTS`` labelled defects it
    is that of goods alone at ``GOODS_ALONE``. Else it is where escape rate and overkill rate have the
    smallest sum, but no higher than that of goods alone, and no lower than that of ``MOST_OVERKILL``. So it
    never misses more defects than goods alone would, also of kinds that were never shown.

    Args:
        scores: goods and labelled defects.
        rule: what it is chosen by.
        prevalence: share of defects among the frames; it counts where errors have costs.

    Raises:
        DataError: too few goods or defects for the rule.
    """
    goods, defects = scores.goods, scores.defects
    if rule.overkill_rate is not None:
        return threshold_for(goods, rule.overkill_rate)
    if rule.escape_rate is not None:
        return escape_threshold(defects, rule.escape_rate)
    if rule.cost is not None:
        odds = prevalence / (1.0 - prevalence)
        return scores.curves.cheapest(odds * rule.cost.missed_defect / rule.cost.false_reject)
    highest = threshold_for(goods, GOODS_ALONE)
    if len(defects) < MIN_DEFECTS:
        return highest
    return min(max(scores.curves.cheapest(1.0), threshold_for(goods, MOST_OVERKILL)), highest)


def check_defects(rule: ThresholdRule, defects: int) -> None:
    """Raise DataError where a rule needs more labelled defects than there are."""
    if rule.escape_rate is not None:
        need_defects(defects, 1)
    if rule.cost is not None:
        need_defects(defects, MIN_DEFECTS)


class ThresholdChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule gives on one line's scores.

    Attributes:
        rule: the rule; None for a threshold that was set by hand.
        threshold: the score that it chooses from all scores; None where there are too few for it.
        escape_rate, overkill_rate: the share of the defects below, and of the goods at or above, a threshold
            that was chosen without their part; None where too few parts are left for that.
        escape_interval, overkill_interval: their 95 % intervals, by part.
        expected_cost: expected cost of one frame; None where a rate is.
        chosen: whether it is the line's.
    """

    rule: ThresholdRule | None
    threshold: float | None
    escape_rate: float | None = None
    overkill_rate: float | None = None
    escape_interval: Interval | None = None
    overkill_interval: Interval | None = None
    expected_cost: float | None = None
    chosen: bool = False


def threshold_choices(
    goods: Mapping[str, float],
    defects: Mapping[str, float],
    parts: Mapping[str, str],
    *,
    rule: ThresholdRule,
    prevalence: float,
    by_hand: float | None = None,
    rules: Sequence[ThresholdRule] = OFFERED,
) -> list[ThresholdChoice]:
    """What each rule gives, judged on scores that its threshold has not seen.

    The parts of each label are sorted by their names and dealt to ``FOLDS`` groups in turn. A group is judged
    at a threshold from all images of other parts, of both labels. An interval is that of Clopper and Pearson
    (1934) with the number of parts in place of the number of images (Korn and Graubard 1998, with the largest
    design effect).

    Args:
        goods, defects: content hash -> score as if unseen.
        parts: content hash -> part id; an image whose part is "" or missing is a part of its own.
        rule: the line's.
        prevalence: share of defects among the frames, in (0, 1).
        by_hand: the line's threshold, where it was set by hand.
        rules: the rules to compare; the line's is added where it is not among them.

    Returns:
        One choice for each rule, in their order; then the line's own where it is none of them.
    """
    costs = rule.cost or ErrorCosts()
    asked = [*rules, *(() if rule in rules else (rule,))]
    good, defect = _dealt(goods, defects, parts)
    full = _thresholds(good.scores, defect.scores, asked, prevalence)
    seen = _seen_by_others(good, defect, asked, prevalence)
    found = []
    for one, at, (good_at, defect_at) in zip(asked, full, seen, strict=True):
        chosen = by_hand is None and one == rule
        choice = ThresholdChoice(rule=one, threshold=at, chosen=chosen)
        found.append(_judged(choice, (good, good_at), (defect, defect_at), costs, prevalence))
    if by_hand is not None:
        choice = ThresholdChoice(rule=None, threshold=by_hand, chosen=True)
        good_at, defect_at = (np.full(len(one.scores), by_hand) for one in (good, defect))
        found.append(_judged(choice, (good, good_at), (defect, defect_at), costs, prevalence))
    return found


def choices_of(calibration: Calibration, parts: Mapping[str, str]) -> list[ThresholdChoice]:
    """The choices of a line, on the scores that its calibration keeps; empty without labelled defects."""
    if not calibration.defects:
        return []
    defects = calibration.defect_scores or {f"{i}": s for i, s in enumerate(calibration.defects)}
    return threshold_choices(
        calibration.good_scores,
        defects,
        parts,
        rule=calibration.rule,
        prevalence=calibration.prevalence,
        by_hand=calibration.by_hand.get("threshold"),
    )


@dataclass(frozen=True, slots=True)
class _Dealt:
    """The images of one label, with the group in which each is judged.

    Attributes:
        scores, groups, part: a value for each image; ``part`` numbers the parts of both labels.
    """

    scores: Array
    groups: NDArray[np.int64]
    part: NDArray[np.int64]


def _dealt(
    goods: Mapping[str, float], defects: Mapping[str, float], parts: Mapping[str, str]
) -> tuple[_Dealt, _Dealt]:
    """Both labels, each dealt evenly: so a group holds few defects where there are few."""
    units = {sha: (bool(parts.get(sha)), parts.get(sha) or sha) for sha in (*goods, *defects)}
    number = {unit: at for at, unit in enumerate(sorted(set(units.values())))}

    def dealt(scores: Mapping[str, float]) -> _Dealt:
        named = sorted(scores)
        part = np.array([number[units[sha]] for sha in named], dtype=np.int64)
        _, rank = np.unique(part, return_inverse=True)
        return _Dealt(np.array([scores[sha] for sha in named], dtype=np.float64), rank % FOLDS, part)

    return dealt(goods), dealt(defects)


def _thresholds(
    goods: Array, defects: Array, rules: Sequence[ThresholdRule], prevalence: float
) -> list[float | None]:
    """The threshold of each rule; None where there are too few scores for it."""
    scores = LabelledScores(np.sort(goods), np.sort(defects))
    found: list[float | None] = []
    for rule in rules:
        try:
            found.append(choose_threshold(scores, rule, prevalence))
        except DataError:
            found.append(None)
    return found


def _seen_by_others(
    good: _Dealt, defect: _Dealt, rules: Sequence[ThresholdRule], prevalence: float
) -> list[tuple[Array, Array]]:
    """For each rule the threshold at which each good and each defect is judged; NaN where there is none."""
    found = [(np.full(len(good.scores), np.nan), np.full(len(defect.scores), np.nan)) for _ in rules]
    for label, one in enumerate((good, defect)):
        for group in np.unique(one.groups):
            mine = one.groups == group
            goods, defects = (each.scores[~np.isin(each.part, one.part[mine])] for each in (good, defect))
            for at, threshold in zip(found, _thresholds(goods, defects, rules, prevalence), strict=True):
                at[label][mine] = math.nan if threshold is None else threshold
    return found


def _judged(
    choice: ThresholdChoice,
    goods: tuple[_Dealt, Array],
    defects: tuple[_Dealt, Array],
    costs: ErrorCosts,
    prevalence: float,
) -> ThresholdChoice:
    """The choice with its rates, from the images of each label and the thresholds that judge them."""
    (good, good_at), (defect, defect_at) = goods, defects
    overkill, overkill_interval = _rate(good.scores >= good_at, good_at, good.part)
    escape, escape_interval = _rate(defect.scores < defect_at, defect_at, defect.part)
    cost = None
    if escape is not None and overkill is not None:
        missed, rejected = prevalence * costs.missed_defect, (1.0 - prevalence) * costs.false_reject
        cost = missed * escape + rejected * overkill
    return msgspec.structs.replace(
        choice,
        escape_rate=escape,
        overkill_rate=overkill,
        escape_interval=escape_interval,
        overkill_interval=overkill_interval,
        expected_cost=cost,
    )


def _rate(
    wrong: NDArray[np.bool_], at: Array, part: NDArray[np.int64]
) -> tuple[float | None, Interval | None]:
    """A share with its interval; None where there are no images, or no threshold for some."""
    from scipy.special import betaincinv

    if not len(wrong) or np.isnan(at).any():
        return None, None
    share, n = float(wrong.mean()), len(np.unique(part))
    k = share * n
    low = float(betaincinv(k, n - k + 1, _TAIL)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - _TAIL)) if k < n else 1.0
    return share, (low, high)
