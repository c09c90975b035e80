import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from saec.errors import ConfigError, DataError
from saec.profile import Calibration
from saec.schedule.calibration.rule_words import rule_limits, rule_words
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.threshold_choices import (
    FOLDS,
    OFFERED,
    LabelledScores,
    choices_of,
    choose_threshold,
    threshold_choices,
)
from saec.schedule.statistics.threshold import threshold_for
from saec.settings import GateConfig
from saec.settings.threshold_rule import ErrorCosts, ThresholdRule, requested_rule

DEFAULT = ThresholdRule()
GOODS5 = ThresholdRule(overkill_rate=0.05)
SCORES = st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=40)
DEFECTS = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20)


def cost(missed: float, rejected: float = 1.0) -> ThresholdRule:
    return ThresholdRule(cost=ErrorCosts(missed_defect=missed, false_reject=rejected))


def chosen(
    goods: np.ndarray | list[float], defects: np.ndarray | list[float], rule: ThresholdRule, at: float = 0.5
) -> float:
    return choose_threshold(LabelledScores(np.sort(goods), np.sort(defects)), rule, at)


def named(scores: np.ndarray | list[float], letter: str) -> dict[str, float]:
    return {f"{letter}{i:03d}": float(score) for i, score in enumerate(scores)}


def calibrated(
    n_defects: int, rule: ThresholdRule, n_goods: int = 60, prevalence: float = 0.5
) -> Calibration:
    rng = np.random.default_rng(0)
    return calibrate(
        named(rng.normal(0, 1, n_goods), "g"),
        rng.normal(2, 1, n_defects).tolist(),
        rule=rule,
        gate=GateConfig(),
        prevalence=prevalence,
        created="now",
    )


@given(SCORES, DEFECTS, st.floats(0.01, 0.5))
def test_an_overkill_rate_means_goods_alone(goods: list[float], defects: list[float], rate: float) -> None:
    assert chosen(goods, defects, ThresholdRule(overkill_rate=rate)) == threshold_for(goods, rate)


@given(SCORES, DEFECTS)
def test_the_default_lies_between_goods_alone_and_the_most_overkill(
    goods: list[float], defects: list[float]
) -> None:
    at = chosen(goods, defects, DEFAULT)
    assert at <= threshold_for(goods, 0.05)
    assert at >= min(threshold_for(goods, 0.20), threshold_for(goods, 0.05))


@pytest.mark.parametrize("defects", [[], [1.0]])
def test_the_default_is_goods_alone_where_one_defect_or_none_is_known(defects: list[float]) -> None:
    goods = np.random.default_rng(0).normal(0, 1, 50)
    assert chosen(goods, defects, DEFAULT) == threshold_for(goods, 0.05)


@given(SCORES, DEFECTS, st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.01, 0.99))
def test_a_higher_cost_of_a_miss_never_raises_the_threshold(
    goods: list[float], defects: list[float], a: float, b: float, prevalence: float
) -> None:
    dear, cheap = (chosen(goods, defects, cost(one), prevalence) for one in (max(a, b), min(a, b)))
    assert dear <= cheap


def test_only_the_ratio_of_costs_and_the_odds_of_a_defect_count() -> None:
    rng = np.random.default_rng(1)
    goods, defects = rng.normal(0, 1, 80), rng.normal(2, 1, 20)
    assert chosen(goods, defects, cost(10, 1)) == chosen(goods, defects, cost(30, 3))
    assert chosen(goods, defects, cost(9, 1), 0.1) == pytest.approx(chosen(goods, defects, cost(1, 1), 0.5))
    assert chosen(goods, defects, DEFAULT, 0.01) == chosen(goods, defects, DEFAULT, 0.5)


@pytest.mark.parametrize("distance", [1.5, 2.5, 4.0, 6.0])
@pytest.mark.parametrize("known", [2, 3, 5, 30])
def test_the_default_is_no_worse_than_goods_alone_in_expectation(distance: float, known: int) -> None:
    rng = np.random.default_rng(known)
    good, defect = stats.norm(0, 1), stats.norm(distance, 1.3)
    errors = []
    for _ in range(150):
        goods, defects = good.rvs(80, random_state=rng), defect.rvs(known, random_state=rng)
        at = np.array([chosen(goods, defects, rule) for rule in (DEFAULT, GOODS5)])
        errors.append(good.sf(at) + defect.cdf(at))
    default, alone = np.mean(errors, axis=0)
    assert default <= alone + 0.003
    if distance < 3 and known >= 5:
        assert default < 0.95 * alone


@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_costs_are_nearly_the_least_that_is_possible(weight: float) -> None:
    rng = np.random.default_rng(3)
    good, defect = stats.gumbel_r(0, 1), stats.norm(6, 2)
    grid = np.linspace(0, 9, 500)
    best = (weight * defect.cdf(grid) + good.sf(grid)).min()
    found = []
    for _ in range(80):
        goods, defects = good.rvs(100, random_state=rng), defect.rvs(30, random_state=rng)
        at = chosen(goods, defects, cost(weight))
        found.append(weight * defect.cdf(at) + good.sf(at))
    assert np.mean(found) < 1.35 * best


def test_the_table_has_a_row_for_each_rule_and_marks_the_lines() -> None:
    rng = np.random.default_rng(4)
    goods, defects = named(rng.normal(0, 1, 100), "g"), named(rng.normal(2.5, 1, 30), "d")
    for rule, rows in ((DEFAULT, len(OFFERED)), (cost(3), len(OFFERED) + 1)):
        found = threshold_choices(goods, defects, {}, rule=rule, prevalence=0.2)
        assert len(found) == rows
        assert [one.rule for one in found if one.chosen] == [rule]
        for one in found:
            assert one.threshold is not None
            assert one.escape_rate is not None
            assert one.overkill_rate is not None
            assert one.escape_interval is not None
            assert one.escape_interval[0] <= one.escape_rate <= one.escape_interval[1]
            costs = rule.cost or ErrorCosts()
            assert one.expected_cost == pytest.approx(
                0.2 * costs.missed_defect * one.escape_rate + 0.8 * one.overkill_rate
            )
    by_hand = threshold_choices(goods, defects, {}, rule=DEFAULT, prevalence=0.2, by_hand=1.0)
    assert [one.rule for one in by_hand if one.chosen] == [None]
    assert by_hand[-1].overkill_rate == np.mean([s >= 1.0 for s in goods.values()])


@given(st.permutations(range(40)))
def test_the_order_of_images_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(5)
    scores = list(named(rng.normal(0, 1, 40), "x").items())
    goods, defects = dict(scores[:30]), dict(scores[30:])
    shuffled = [scores[i] for i in order]
    first, second = (
        threshold_choices(g, d, {}, rule=DEFAULT, prevalence=0.5)
        for g, d in (
            (goods, defects),
            ({n: s for n, s in shuffled if n in goods}, {n: s for n, s in shuffled if n in defects}),
        )
    )
    assert first == second


def test_rates_are_of_images_that_the_threshold_has_not_seen() -> None:
    """A defect alone below all others never catches itself."""
    goods, defects = named(np.linspace(0, 1, 40), "g"), named([0.5, *np.linspace(3, 4, 9)], "d")
    asked = ThresholdRule(escape_rate=0.05)
    (row,) = (one for one in threshold_choices(goods, defects, {}, rule=asked, prevalence=0.5) if one.chosen)
    assert row.threshold == 0.5
    assert row.escape_rate == pytest.approx(0.1)


def test_the_rates_of_the_table_come_true_on_average() -> None:
    rng = np.random.default_rng(8)
    good, defect = stats.gamma(2), stats.norm(6, 2)
    rules = [DEFAULT, GOODS5, ThresholdRule(escape_rate=0.1), cost(1)]
    stated, real = [], []
    for _ in range(40):
        goods, defects = (
            named(good.rvs(80, random_state=rng), "g"),
            named(defect.rvs(15, random_state=rng), "d"),
        )
        found = threshold_choices(goods, defects, {}, rule=DEFAULT, prevalence=0.5, rules=rules)
        at = np.array([one.threshold for one in found])
        stated.append(np.array([(one.escape_rate, one.overkill_rate) for one in found], dtype=float))
        real.append(np.stack([defect.cdf(at), good.sf(at)], axis=1))
    assert np.abs(np.mean(stated, axis=0) - np.mean(real, axis=0)).max() < 0.03


def test_parts_stay_together_and_widen_the_interval() -> None:
    rng = np.random.default_rng(6)
    goods = named(np.repeat(rng.normal(0, 1, 25), 4), "g")
    defects = named(np.repeat(rng.normal(2, 1, 8), 4), "d")
    parts = {name: f"{name[0]}{int(name[1:]) // 4}" for name in (*goods, *defects)}
    alone = threshold_choices(goods, defects, {}, rule=GOODS5, prevalence=0.5)[1]
    by_part = threshold_choices(goods, defects, parts, rule=GOODS5, prevalence=0.5)[1]
    assert alone.escape_interval is not None
    assert by_part.escape_interval is not None
    assert np.diff(by_part.escape_interval)[0] > 1.5 * np.diff(alone.escape_interval)[0]


def test_a_part_with_good_and_defect_images_judges_neither_by_the_other() -> None:
    goods, defects = named(np.linspace(0, 1, FOLDS), "g"), {"d000": 0.2, "d001": 5.0, "d002": 6.0}
    parts = {"g000": "same", "d000": "same"}
    apart = threshold_choices(goods, defects, {}, rule=DEFAULT, prevalence=0.5)
    together = threshold_choices(goods, defects, parts, rule=DEFAULT, prevalence=0.5)
    assert [one.threshold for one in apart] == [one.threshold for one in together]


def test_too_few_images_leave_a_rate_unknown() -> None:
    found = threshold_choices(named([0.0, 1.0, 2.0], "g"), {"d": 5.0}, {}, rule=GOODS5, prevalence=0.5)
    for one in found:
        assert one.expected_cost is None
    assert [one.threshold for one in found if one.rule and one.rule.cost] == [None, None]
    assert not choices_of(calibrated(0, DEFAULT), {})


def test_the_calibration_keeps_its_rule() -> None:
    for rule in (*OFFERED, cost(7, 2)):
        calibration = calibrated(20, rule)
        assert calibration.rule == rule
        assert msgspec.json.decode(msgspec.json.encode(calibration), type=Calibration) == calibration
        (mine,) = (one for one in choices_of(calibration, {}) if one.chosen)
        assert mine.threshold == calibration.threshold
        assert calibration.gate.low <= calibration.threshold <= calibration.gate.high
        assert calibration.thresholds_at["0.05"] == threshold_for(calibration.goods, 0.05)


def test_the_expected_overkill_is_that_of_the_threshold() -> None:
    calibration = calibrated(30, cost(10), n_goods=200)
    assert threshold_for(calibration.goods, calibration.overkill) == pytest.approx(calibration.threshold)
    assert calibrated(30, ThresholdRule(overkill_rate=0.03)).overkill == 0.03


@pytest.mark.parametrize(
    ("rule", "defects", "words"),
    [
        (DEFAULT, 1, "for 5 % false rejects (overkill), from the good images alone"),
        (DEFAULT, 9, "with the fewest missed defects and false rejects together"),
        (
            ThresholdRule(overkill_rate=0.02),
            9,
            "for 2 % false rejects (overkill), from the good images alone",
        ),
        (ThresholdRule(escape_rate=0.2), 9, "for 20 % missed defects (escapes), from 9 labelled defects"),
        (cost(10), 9, "a missed defect costs 10, a false reject 1 and 50 % of the frames are defects"),
    ],
)
def test_the_rule_is_said_in_words(rule: ThresholdRule, defects: int, words: str) -> None:
    calibration = calibrated(defects, rule)
    assert words in rule_words(calibration)
    assert rule_words(msgspec.structs.replace(calibration, by_hand={"threshold": 1.0})) == "set by hand"


def test_what_cannot_be_promised_is_said() -> None:
    (said,) = rule_limits(calibrated(12, ThresholdRule(escape_rate=0.02)))
    assert "2 % missed defects cannot be promised from 12 labelled defects" in said
    assert "for 8 %; 2 % needs 49 of them" in said
    assert not rule_limits(calibrated(12, ThresholdRule(escape_rate=0.1)))
    (said,) = rule_limits(calibrated(0, GOODS5, n_goods=3))
    assert "a threshold from 3 good images is uncertain" in said
    assert "rejects 0 to 27 %" in said
    assert "2.0 times as far out" in said
    assert not rule_limits(calibrated(0, GOODS5))


def test_rules_are_asked_one_at_a_time() -> None:
    assert requested_rule(None, None, None) == DEFAULT
    assert requested_rule(None, None, {"missed_defect": 10, "false_reject": 1}) == cost(10)
    with pytest.raises(ConfigError, match="overkill_rate and escape_rate cannot be used together"):
        requested_rule(0.05, 0.05, None)
    with pytest.raises(ConfigError, match="cost lacks false_reject"):
        requested_rule(None, None, {"missed_defect": 10})
    with pytest.raises(ConfigError, match="no cost escape"):
        requested_rule(None, None, {"escape": 10, "false_reject": 1})
    with pytest.raises(ConfigError, match="above 0"):
        requested_rule(None, None, {"missed_defect": 0, "false_reject": 1})


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="no labelled defects are too few"):
        calibrated(0, ThresholdRule(escape_rate=0.1))
    with pytest.raises(DataError, match="1 labelled defect is too few"):
        calibrated(1, cost(1))
