import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats._distn_infrastructure import rv_continuous_frozen

from saec.errors import ConfigError, DataError
from saec.schedule.statistics.threshold import (
    MIN_GOODS,
    mean_distance,
    overkill_range,
    share_above,
    threshold_for,
)

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=MIN_GOODS, max_size=60)
RATE = st.floats(0.001, 0.5)


def realised(law: rv_continuous_frozen, n: int, rate: float, trials: int = 300) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.array([law.sf(threshold_for(law.rvs(n, random_state=rng), rate)) for _ in range(trials)])


@pytest.mark.parametrize("law", [stats.norm(), stats.lognorm(0.5), stats.gamma(2), stats.gumbel_r()])
@pytest.mark.parametrize(("n", "rate"), [(20, 0.05), (70, 0.05), (300, 0.05), (300, 0.02), (2000, 0.01)])
def test_realised_overkill_is_what_was_asked(law: rv_continuous_frozen, n: int, rate: float) -> None:
    got = realised(law, n, rate, 100 if n == 2000 else 300)
    assert 0.8 * rate < got.mean() < 1.2 * rate


@pytest.mark.parametrize("law", [stats.norm(), stats.lognorm(0.5), stats.t(5)])
@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_five_goods_do_not_degenerate(law: rv_continuous_frozen, rate: float) -> None:
    got = realised(law, 5, rate)
    assert 0.1 * rate < got.mean() < 1.5 * rate


LAWS = [stats.norm(), stats.lognorm(0.5), stats.gamma(2), stats.gumbel_r(), stats.t(5), stats.uniform()]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [3, 4])
def test_three_goods_are_on_the_safe_side(law: rv_continuous_frozen, n: int) -> None:
    got = realised(law, n, 0.05, 2000)
    assert 0.005 < got.mean() < 0.05


@pytest.mark.parametrize("n", [3, 4, 8, 19])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.6])
def test_the_range_of_the_real_overkill_holds_on_exponential_scores(n: int, rate: float) -> None:
    got = realised(stats.expon(), n, rate, 3000)
    low, high = overkill_range(n, rate)
    if rate < 0.5:
        assert got.mean() == pytest.approx(rate, rel=0.25)
    assert (got < low).mean() == pytest.approx(0.05, abs=0.02)
    assert (got > high).mean() == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("n", [3, 5, 19])
def test_the_mean_distance_holds_on_exponential_scores(n: int) -> None:
    rng = np.random.default_rng(n)
    mean = np.mean([threshold_for(rng.exponential(size=n), 0.05) for _ in range(2000)])
    assert mean / -np.log(0.05) == pytest.approx(mean_distance(n, 0.05), rel=0.06)


def test_more_goods_make_the_range_narrower() -> None:
    highs = [overkill_range(n, 0.05)[1] for n in (3, 5, 10, 19)]
    assert highs == sorted(highs, reverse=True)


DISTINCT = st.lists(st.integers(-10_000, 10_000), min_size=MIN_GOODS, max_size=60, unique=True)


@given(DISTINCT, st.floats(0.001, 0.99))
def test_the_share_above_a_threshold_is_the_rate_that_was_asked(scores: list[int], rate: float) -> None:
    x = np.sort(np.array(scores, dtype=np.float64))
    at = np.array([threshold_for(x, rate)])
    assert share_above(x, at)[0] == pytest.approx(min(rate, len(x) / (len(x) + 1)), rel=1e-6)


@given(SCORES, st.lists(st.floats(-2e6, 2e6), min_size=2, max_size=20), st.booleans())
def test_the_share_above_never_rises(scores: list[float], at: list[float], strictly: bool) -> None:
    shares = share_above(np.sort(scores), np.sort(at), strictly=strictly)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (np.diff(shares) <= 1e-12).all()


def test_ties_count_on_either_side() -> None:
    x = np.array([0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert share_above(x, np.array([1.0]))[0] == 0.8
    assert share_above(x, np.array([1.0]), strictly=True)[0] == pytest.approx(0.6)


def test_varies_less_than_the_order_statistic() -> None:
    law = stats.gumbel_r()
    rng = np.random.default_rng(1)
    samples = law.rvs((300, 70), random_state=rng)
    ours = np.array([law.sf(threshold_for(s, 0.05)) for s in samples])
    plain = np.array([law.sf(np.quantile(s, 0.95, method="weibull")) for s in samples])
    assert ((ours - 0.05) ** 2).mean() < 0.95 * ((plain - 0.05) ** 2).mean()


@given(SCORES, RATE, RATE)
def test_lower_rate_never_lowers_the_threshold(scores: list[float], a: float, b: float) -> None:
    low, high = threshold_for(scores, max(a, b)), threshold_for(scores, min(a, b))
    assert low <= high + 2e-6 * max(abs(low), 1)


@given(SCORES, RATE)
def test_body_rejects_no_more_of_the_sample_than_asked(scores: list[float], rate: float) -> None:
    n = len(scores)
    threshold = threshold_for(scores, rate)
    if rate >= (max(3, round(n**0.5)) + 1) / (n + 1):
        assert sum(s >= threshold for s in scores) <= rate * (n + 1) + 1e-9


@given(SCORES, RATE, st.floats(0.1, 100), st.floats(-100, 100))
def test_follows_a_change_of_units(scores: list[float], rate: float, scale: float, shift: float) -> None:
    there = threshold_for([scale * s + shift for s in scores], rate)
    here = scale * threshold_for(scores, rate) + shift
    size = scale * max(map(abs, scores)) + abs(shift)
    assert there == pytest.approx(here, rel=1e-5, abs=1e-5 * max(size, 1) + 1e-6 * (abs(here) + abs(there)))


@given(st.permutations(range(30)))
def test_order_of_scores_does_not_matter(order: list[int]) -> None:
    scores = np.random.default_rng(0).normal(size=30)
    assert threshold_for(scores[order], 0.05) == threshold_for(scores, 0.05)


@given(st.floats(-1e6, 1e6), st.integers(MIN_GOODS, 400), RATE)
def test_constant_scores_reject_nothing(value: float, n: int, rate: float) -> None:
    threshold = threshold_for([value] * n, rate)
    assert threshold > np.float64(np.float32(value)) or threshold > value
    assert sum(s >= threshold for s in [value] * n) == 0 or rate * (n + 1) >= n


def test_a_tie_at_the_threshold_is_passed() -> None:
    scores = [0.0] * 10 + [1.0] * 90
    assert 1.0 < threshold_for(scores, 0.05) < 1.00001


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="2 good images"):
        threshold_for([1.0] * 2, 0.05)
    with pytest.raises(DataError, match="NaN or infinite"):
        threshold_for([1.0] * 9 + [float("nan")], 0.05)
    for rate in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="overkill"):
            threshold_for([1.0] * 9, rate)
