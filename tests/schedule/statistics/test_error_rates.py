import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from saec.errors import ConfigError, DataError
from saec.schedule.statistics.error_rates import (
    defects_needed,
    error_curves,
    escape_threshold,
    least_escape_rate,
)

SCORES = st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=40)
DEFECTS = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20)
WEIGHT = st.floats(0.01, 100)


def cheapest(goods: list[float], defects: list[float], weight: float) -> float:
    return error_curves(np.sort(goods), np.sort(defects)).cheapest(weight)


@pytest.mark.parametrize(("n", "rate"), [(5, 0.2), (20, 0.05), (40, 0.05), (60, 0.1)])
def test_the_realised_escape_rate_is_what_was_asked(n: int, rate: float) -> None:
    rng = np.random.default_rng(n)
    for law in (stats.norm(), stats.lognorm(0.8)):
        got = [law.cdf(escape_threshold(law.rvs(n, random_state=rng), rate)) for _ in range(1500)]
        assert np.mean(got) == pytest.approx(rate, rel=0.12)


def test_below_what_can_be_promised_the_lowest_defect_counts() -> None:
    assert escape_threshold([3.0, 5.0, 4.0], 0.02) == escape_threshold([3.0, 5.0, 4.0], 0.25) == 3.0
    assert least_escape_rate(3) == 0.25
    assert defects_needed(0.25) == 3
    assert defects_needed(0.02) == 49
    assert least_escape_rate(defects_needed(0.03)) <= 0.03


@given(SCORES, DEFECTS, WEIGHT, WEIGHT)
def test_a_higher_cost_of_a_miss_never_raises_the_threshold(
    goods: list[float], defects: list[float], a: float, b: float
) -> None:
    assert cheapest(goods, defects, max(a, b)) <= cheapest(goods, defects, min(a, b))


@given(DEFECTS, st.floats(0.01, 0.9), st.floats(0.01, 0.9))
def test_a_lower_escape_rate_never_raises_the_threshold(defects: list[float], a: float, b: float) -> None:
    assert escape_threshold(defects, min(a, b)) <= escape_threshold(defects, max(a, b))


@given(SCORES, DEFECTS, WEIGHT)
def test_both_rates_are_monotone(goods: list[float], defects: list[float], weight: float) -> None:
    curves = error_curves(np.sort(goods), np.sort(defects))
    assert (np.diff(curves.escapes) >= -1e-12).all()
    assert (np.diff(curves.overkills) <= 1e-12).all()
    assert min(goods) <= curves.cheapest(weight) <= max(*goods, *defects)


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=30),
    st.lists(st.integers(20, 90), min_size=2, max_size=15),
    WEIGHT,
    st.sampled_from([0.25, 0.5, 2.0, 8.0]),
    st.integers(-40, 40),
)
def test_follows_a_change_of_units(
    goods: list[int], defects: list[int], weight: float, scale: float, shift: int
) -> None:
    def cost(at: float) -> float:
        curves = error_curves(np.sort(goods).astype(float), np.sort(defects).astype(float))
        index = int(np.abs(curves.thresholds - at).argmin())
        return float(weight * curves.escapes[index] + curves.overkills[index])

    here = cheapest([float(g) for g in goods], [float(d) for d in defects], weight)
    there = cheapest([scale * g + shift for g in goods], [scale * d + shift for d in defects], weight)
    # equal but for ties between thresholds that cost the same
    assert cost((there - shift) / scale) == pytest.approx(cost(here), rel=1e-9)


def test_order_of_scores_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    defects = rng.normal(3, 1, 20)
    assert escape_threshold(defects, 0.1) == escape_threshold(rng.permutation(defects), 0.1)


def test_a_gap_is_divided_by_how_the_tails_fall() -> None:
    """Between far groups the threshold keeps away from both, further from the one that spreads more."""
    rng = np.random.default_rng(1)
    narrow, wide = rng.normal(0, 1, 60), rng.normal(40, 4, 60)
    at = cheapest(narrow.tolist(), wide.tolist(), 1.0)
    assert narrow.max() + 2 < at < wide.min() - 5
    assert at - narrow.max() < wide.min() - at


def test_normal_classes_meet_in_the_middle() -> None:
    rng = np.random.default_rng(2)
    found = [cheapest(rng.normal(0, 1, 200).tolist(), rng.normal(3, 1, 200).tolist(), 1.0) for _ in range(60)]
    assert np.mean(found) == pytest.approx(1.5, abs=0.1)
    assert np.std(found) < 0.35


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="no labelled defects are too few"):
        escape_threshold([], 0.1)
    with pytest.raises(DataError, match="1 labelled defect is too few"):
        error_curves(np.arange(5.0), np.array([9.0]))
    with pytest.raises(DataError, match="NaN"):
        escape_threshold([float("nan")], 0.1)
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="escape rate"):
            escape_threshold([1.0], rate)


@given(SCORES, DEFECTS)
def test_scores_below_all_goods_cost_nothing_to_leave_out(goods: list[float], defects: list[float]) -> None:
    assume(min(defects) >= min(goods))
    lowest = min(goods)
    curves = error_curves(np.sort(goods), np.sort(defects))
    assert curves.thresholds[0] == lowest
