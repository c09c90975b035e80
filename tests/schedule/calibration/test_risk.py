"""Certified risk: the bounds hold as often as stated, whatever the scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from saec.errors import ConfigError, DataError
from saec.profile import OPEN
from saec.schedule.calibration.certified_risk import (
    by_part,
    certifiable_rate,
    certified_gate,
    certify,
    escape_share,
    left_for_goods,
    level_of,
    most_misses,
    shares_of,
    units_needed,
)

RATES = st.floats(0.005, 0.5)
SCORES = st.lists(st.floats(-1e6, 1e6), max_size=80)
ASKED: dict[str, Any] = {"alpha": 0.05, "beta": 0.05, "delta": 0.1}


def test_forty_five_defects_without_a_miss_certify_five_percent() -> None:
    assert units_needed(0.05, 0.1) == 45
    assert certify([], list(range(45)), **ASKED).pass_below == 0.0
    assert certify([], list(range(44)), **ASKED).pass_below is None


@given(RATES, RATES)
@example(0.5, 0.25)
def test_the_units_needed_are_the_least_that_certify(rate: float, level: float) -> None:
    n = units_needed(rate, level)
    assert most_misses(n, rate, level) >= 0
    assert most_misses(n - 1, rate, level) == -1


@given(st.integers(1, 500), RATES)
def test_the_rate_that_can_be_certified_can_be_asked_for(n: int, level: float) -> None:
    rate = certifiable_rate(n, level)
    assert most_misses(n, rate * (1 + 1e-9), level) >= 0
    assert most_misses(n, rate * (1 - 1e-6), level) == -1


@given(st.integers(1, 300), RATES, RATES)
def test_the_level_is_the_binomials(n: int, rate: float, level: float) -> None:
    k = most_misses(n, rate, level)
    assert k < n
    if k >= 0:
        assert level_of(n, rate, k) == pytest.approx(stats.binom.cdf(k, n, rate), rel=1e-9)
        assert level_of(n, rate, k) <= level
    assert k + 1 >= n or level_of(n, rate, k + 1) > level


@given(st.integers(0, 300), st.integers(0, 300), RATES, RATES, RATES)
def test_both_sides_together_spend_no_more_than_delta(
    n_defects: int, n_goods: int, alpha: float, beta: float, delta: float
) -> None:
    escapes, overkills = shares_of(n_defects, n_goods, alpha=alpha, beta=beta, delta=delta)
    spent = (level_of(n_defects, alpha, escapes) if escapes >= 0 else 0.0) + (
        level_of(n_goods, beta, overkills) if overkills >= 0 else 0.0
    )
    assert spent <= delta * (1 + 1e-12)
    # the escape side is never given up for the goods' side
    assert (escapes >= 0) == (n_defects >= units_needed(alpha, delta))
    left = left_for_goods(n_defects, n_goods, alpha=alpha, beta=beta, delta=delta)
    assert overkills == most_misses(n_goods, beta, left)


def test_where_an_escape_can_be_spared_it_is_so_that_the_goods_can_be_certified() -> None:
    # 77 defects with one escape would take .097 of delta = .1, and 60 goods need .046
    assert most_misses(77, 0.05, 0.1) == 1
    escapes, overkills = shares_of(77, 60, **ASKED)
    assert (escapes, overkills) == (0, 0)


@given(SCORES, SCORES)
def test_the_two_scores_leave_the_stated_numbers_outside(goods: list[float], defects: list[float]) -> None:
    c = certify(goods, defects, **ASKED)
    assert (c.goods, c.defects) == (len(goods), len(defects))
    if c.pass_below is not None:
        assert sum(s < c.pass_below for s in defects) <= c.escapes
        assert c.pass_below in defects
    if c.reject_above is not None:
        assert sum(s > c.reject_above for s in goods) <= c.overkills
        assert c.reject_above in goods


@given(SCORES, SCORES, st.floats(-1e6, 1e6))
def test_the_gate_holds_the_threshold_and_never_decides_more(
    goods: list[float], defects: list[float], threshold: float
) -> None:
    c = certify(goods, defects, **ASKED)
    gate = certified_gate(c, threshold)
    assert gate.basis == "certified"
    assert gate.low <= threshold <= gate.high
    assert gate.low <= c.pass_below if c.pass_below is not None else gate.low == -OPEN
    assert gate.high >= c.reject_above if c.reject_above is not None else gate.high == OPEN


@pytest.mark.parametrize(("digits", "n_defects"), [(9, 45), (9, 63), (9, 119), (0, 63)])
def test_both_bounds_hold_as_often_as_stated(digits: int, n_defects: int) -> None:
    """Normal scores, to ``digits`` decimals: with 0 most are ties."""
    rng = np.random.default_rng(n_defects)
    draws, broken = 2000, 0
    for _ in range(draws):
        goods, defects = rng.normal(size=200).round(digits), rng.normal(2.5, 1, n_defects).round(digits)
        c = certify(goods, defects, **ASKED)
        escape = 0.0 if c.pass_below is None else _below(c.pass_below, 2.5, digits)
        overkill = 0.0 if c.reject_above is None else _below(-c.reject_above, 0.0, digits)
        broken += escape > 0.05 or overkill > 0.05
    assert broken / draws <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / draws)


def _below(score: float, mean: float, digits: int) -> float:
    """P(a rounded normal score < score)."""
    return float(stats.norm.cdf(score - 0.5 * 10.0**-digits - mean))


def test_the_bound_is_not_slack_where_all_of_delta_is_spent() -> None:
    """45 defects take .0994 of .1: the escape bound must then be broken about that often."""
    rng = np.random.default_rng(1)
    lowest = rng.normal(size=(4000, 45)).min(axis=1)
    broken = (stats.norm.cdf(lowest) > 0.05).mean()
    assert broken == pytest.approx(0.0994, abs=0.015)


def test_images_of_one_part_count_once_by_their_worst() -> None:
    scores = {"a": 1.0, "b": 3.0, "c": 2.0, "part": 9.0}
    parts = {"a": "part", "b": "part", "c": ""}
    assert sorted(by_part(scores, parts, defects=True)) == [1.0, 2.0, 9.0]
    assert sorted(by_part(scores, parts, defects=False)) == [2.0, 3.0, 9.0]


@given(st.floats(0.001, 0.999), st.floats(0, 1), st.floats(0.01, 1))
def test_the_escape_share_is_bayes(prevalence: float, escape: float, passed: float) -> None:
    share = escape_share(prevalence, escape, passed)
    assert share is not None
    assert 0 <= share <= 1
    if escape == passed:
        assert share == pytest.approx(prevalence)


def test_the_escape_share_of_nothing_passed_is_unknown() -> None:
    assert escape_share(0.1, 0.0, 0.0) is None
    assert escape_share(0.01, 0.05, 0.95) == pytest.approx(0.0005 / (0.0005 + 0.99 * 0.95))


@pytest.mark.parametrize("name", ["alpha", "beta", "delta"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, math.nan])
def test_no_share_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        certify([1.0], [1.0], **{**ASKED, name: value})


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="defects"):
        certify([1.0], [math.nan], **ASKED)
