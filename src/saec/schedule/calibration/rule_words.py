"""What a threshold was chosen by, in words."""

from __future__ import annotations

from saec.profile import Calibration
from saec.schedule.statistics.error_rates import MIN_DEFECTS, defects_needed, least_escape_rate
from saec.schedule.statistics.threshold import FEW_GOODS, mean_distance, overkill_range
from saec.settings.threshold_rule import GOODS_ALONE, MOST_OVERKILL, ErrorCosts

_FAR = 1.1
# From so many times the right distance on it is said that a threshold lies too far out.


def rule_words(calibration: Calibration) -> str:
    """What the threshold was chosen by, to follow the threshold in a sentence."""
    rule, defects = calibration.rule, len(calibration.defects)
    if "threshold" in calibration.by_hand:
        return "set by hand"
    if rule.escape_rate is not None:
        return f"for {100 * rule.escape_rate:g} % missed defects (escapes), from {_labelled(defects)}"
    if rule.cost is not None:
        return (
            f"with the smallest expected cost, where {cost_words(rule.cost)} and "
            f"{100 * calibration.prevalence:g} % of the frames are defects"
        )
    if rule.overkill_rate is None and defects >= MIN_DEFECTS:
        return (
            "with the fewest missed defects and false rejects together, within "
            f"{100 * GOODS_ALONE:g} to {100 * MOST_OVERKILL:g} % false rejects (the default where defects "
            "are labelled)"
        )
    rate = rule.overkill_rate or GOODS_ALONE
    return f"for {100 * rate:g} % false rejects (overkill), from the good images alone"


def cost_words(costs: ErrorCosts) -> str:
    """What errors cost."""
    return f"a missed defect costs {costs.missed_defect:g}, a false reject {costs.false_reject:g}"


def rule_limits(calibration: Calibration) -> list[str]:
    """What must be said of a threshold that could not be chosen as asked, or is uncertain."""
    said: list[str] = []
    if "threshold" in calibration.by_hand:
        return said
    asked, defects = calibration.rule.escape_rate, len(calibration.defects)
    if asked is not None and asked < (least := least_escape_rate(defects)):
        said.append(
            f"warning: {100 * asked:g} % missed defects cannot be promised from {_labelled(defects)}: the "
            f"threshold is the lowest score of these, for {100 * least:.0f} %; "
            f"{100 * asked:g} % needs {defects_needed(asked)} of them"
        )
    goods = len(calibration.goods)
    if goods < FEW_GOODS and asked is None:
        rate = min(max(calibration.overkill, 0.001), 0.999)
        low, high = overkill_range(goods, rate)
        text = (
            f"warning: a threshold from {goods} good images is uncertain: it is meant to reject "
            f"{_percent(rate)} % of good parts, and really rejects {_percent(low)} to {_percent(high)} % in "
            "nine lines of ten."
        )
        if (times := mean_distance(goods, rate)) >= _FAR:
            text += (
                f" It lies about {times:.1f} times as far out as one from many good images, so more defects "
                "are missed."
            )
        said.append(f"{text} Give {FEW_GOODS} good images or more")
    return said


def _labelled(defects: int) -> str:
    return f"{defects} labelled defect{'' if defects == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.01 or share < 0.0005 else f"{100 * share:.1f}"
