import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError
from saec.profile import Calibration, Sigmoid
from saec.schedule.calibration.score_calibration import RATES, calibrate
from saec.settings import GateConfig
from saec.settings.threshold_rule import ThresholdRule

SCORE = st.floats(-1e4, 1e4)
GOODS = st.lists(SCORE, min_size=5, max_size=40)
DEFECTS = st.lists(SCORE, max_size=20)


def make(
    goods: Iterable[float],
    defects: Iterable[float] = (),
    overkill: float | None = 0.05,
    gate: GateConfig = GateConfig(),  # noqa: B008
    prevalence: float = 0.5,
) -> Calibration:
    named = {f"{i:04d}": float(s) for i, s in enumerate(goods)}
    return calibrate(
        named,
        [float(d) for d in defects],
        rule=ThresholdRule(overkill_rate=overkill),
        gate=gate,
        prevalence=prevalence,
        created="now",
    )


def normal(n: int, mean: float, seed: int, spread: float = 1.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(mean, spread, n)


def p_of(calibration: Calibration) -> Sigmoid:
    assert calibration.p_defect is not None
    return calibration.p_defect


@given(GOODS, DEFECTS, st.floats(0.005, 0.5), st.floats(0.01, 0.99))
def test_gate_holds_the_threshold(
    goods: list[float], defects: list[float], overkill: float, prevalence: float
) -> None:
    c = make(goods, defects, overkill=overkill, prevalence=prevalence)
    assert c.gate.low <= c.threshold <= c.gate.high
    assert math.isfinite(c.gate.low)
    assert math.isfinite(c.gate.high)
    assert c.gate.basis == ("p_defect" if defects else "goods")


@given(GOODS, st.lists(SCORE, min_size=1, max_size=20), SCORE, SCORE)
def test_p_defect_never_falls_with_the_score(
    goods: list[float], defects: list[float], a: float, b: float
) -> None:
    p = p_of(make(goods, defects))
    assert 0 <= p(min(a, b)) <= p(max(a, b)) <= 1


@given(GOODS, DEFECTS)
def test_threshold_comes_from_goods_alone(goods: list[float], defects: list[float]) -> None:
    assert make(goods, defects).threshold == make(goods).threshold


def test_no_probability_from_goods_alone() -> None:
    assert make(normal(50, 0, 0)).p_defect is None


def test_keeps_what_a_later_fusion_needs() -> None:
    goods = [3.0, 1.0, 2.0, 5.0, 4.0]
    c = make(goods, [9.0, 8.0])
    assert c.goods == sorted(goods)
    assert c.defects == [8.0, 9.0]
    assert c.good_scores["0001"] == 1.0
    assert set(c.thresholds_at) == {"0.01", "0.02", "0.05", "0.1"}
    assert len(RATES) == 4
    assert c.thresholds_at["0.05"] == c.threshold
    assert "0.03" in make(goods, overkill=0.03).thresholds_at


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0])
def test_p_defect_is_calibrated_on_known_distributions(distance: float) -> None:
    """Two unit normals have the posterior 1 / (1 + exp(-(distance * s - distance^2 / 2)))."""
    p = p_of(make(normal(1500, 0, 1), normal(1500, distance, 2)))
    at = np.linspace(-1, distance + 1, 9)
    truth = 1 / (1 + np.exp(-(distance * at - distance**2 / 2)))
    assert np.abs([p(s) for s in at] - truth).max() < 0.06


@pytest.mark.parametrize("prevalence", [0.01, 0.2])
def test_prevalence_moves_the_odds_by_its_own(prevalence: float) -> None:
    goods, defects = normal(100, 0, 3), normal(30, 2, 4)
    even, rare = p_of(make(goods, defects)), p_of(make(goods, defects, prevalence=prevalence))
    for s in (-1.0, 0.5, 3.0):
        moved = rare.logit(s) - even.logit(s)
        assert moved == pytest.approx(math.log(prevalence / (1 - prevalence)), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_defects_stay_modest(n: int) -> None:
    p = p_of(make(normal(100, 0, 5), [6.0 + i for i in range(n)]))
    assert p(0.0) < 0.1
    assert 0.5 < p(7.0) < 0.95


def test_one_far_defect_does_not_flatten_the_rest() -> None:
    goods, defects = normal(100, 0, 6), normal(20, 4, 7)
    near, far = p_of(make(goods, defects)), p_of(make(goods, [*defects, 1e5]))
    for s in (0.0, 2.0, 4.0):
        assert far(s) == pytest.approx(near(s), abs=0.05)


@pytest.mark.parametrize("goods", [[1.0] * 30, [0.0] * 2 + [1.0] * 60])
def test_goods_that_hardly_vary_give_no_cliff(goods: list[float]) -> None:
    p = p_of(make(goods, [2.0, 2.5, 3.0, 2.2]))
    assert p(1.0) < 0.2
    assert p(1.001) < 0.2
    assert p(2.5) > 0.7


def test_scores_that_tell_nothing_are_all_unsure() -> None:
    goods, defects = normal(100, 0, 8), normal(100, -3, 9)
    c = make(goods, defects)
    assert p_of(c)(0.0) == pytest.approx(0.5, abs=0.02)
    assert c.gate.low < min(c.goods[0], c.defects[0])
    assert c.gate.high > max(c.goods[-1], c.defects[-1])


def test_gate_with_defects_is_where_p_defect_says() -> None:
    c = make(normal(200, 0, 10), normal(200, 2, 11), gate=GateConfig(p_low=0.2, p_high=0.7))
    assert p_of(c)(c.gate.low) == pytest.approx(0.2)
    assert p_of(c)(c.gate.high) == pytest.approx(0.7) or c.gate.high == c.threshold


def test_gate_from_goods_holds_the_stated_tails() -> None:
    goods = normal(4000, 0, 12)
    gate = make(goods).gate
    fresh = normal(100_000, 0, 13)
    assert (fresh > gate.low).mean() == pytest.approx(0.20, abs=0.02)
    assert (fresh > gate.high).mean() == pytest.approx(0.005, abs=0.002)


def test_faults_are_named() -> None:
    with pytest.raises(ConfigError, match="prevalence"):
        make(normal(9, 0, 0), prevalence=1.0)
    with pytest.raises(ConfigError, match="gate"):
        make(normal(9, 0, 0), gate=GateConfig(p_low=0.9, p_high=0.1))
    with pytest.raises(ConfigError, match="gate"):
        make(normal(9, 0, 0), gate=GateConfig(tail_low=0.3, tail_high=0.1))
    with pytest.raises(DataError, match="defects are NaN or infinite"):
        make(normal(9, 0, 0), [float("inf")])
    with pytest.raises(DataError, match="good images"):
        make([1.0, 2.0])
