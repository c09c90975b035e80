"""The value of asking: monotone, in the user's costs, learnt where there are labels and stated where not."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saec.profile import Asking, Calibration, CloudTrust, Gate, Mending, Sigmoid
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.policies.expected_value import fit_asking, measure_mending, price, value_of, with_asking
from saec.schedule.policies.score_drift import LIMIT
from saec.settings import CostConfig, GateConfig
from saec.settings.threshold_rule import ThresholdRule

GOODS_ONLY = Calibration(
    version=1,
    created="",
    overkill=0.05,
    threshold=2.0,
    gate=Gate(low=1.0, high=3.0, basis="goods"),
    goods=[0.0, 0.5, 1.0, 1.5, 2.5],
)
LABELLED = msgspec.structs.replace(GOODS_ONLY, p_defect=Sigmoid(slope=2.0, centre=1.0, offset=-1.5))
FREE = CostConfig(joule=0.0, byte=0.0, millisecond=0.0)
SCORES = st.floats(-20, 20)
COMPLEXITIES = st.none() | st.floats(-5, 20)


def synthetic(seed: int, *, told_by: float, n: int = 300) -> Calibration:
    """Goods and defects; of the defects that score low, complexity tells as much as ``told_by``."""
    rng = np.random.default_rng(seed)
    goods = {f"g{i}": float(s) for i, s in enumerate(rng.normal(0, 1, n))}
    defects = {f"d{i}": float(s) for i, s in enumerate(rng.normal(2, 1, n))}
    made = calibrate(
        goods,
        list(defects.values()),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=0.5,
        created="",
    )
    wrong = {name: s >= made.threshold for name, s in goods.items()}
    wrong |= {name: s < made.threshold for name, s in defects.items()}
    complexities = {name: float(rng.normal(told_by * w, 1)) for name, w in wrong.items()}
    return msgspec.structs.replace(made, good_scores=goods, defect_scores=defects, complexities=complexities)


@pytest.mark.parametrize("calibration", [GOODS_ONLY, LABELLED])
@given(SCORES, SCORES, COMPLEXITIES)
@example(-(2.0**-52), 0.0, None)
def test_the_further_from_the_threshold_the_less_it_is_worth(
    calibration: Calibration, a: float, b: float, complexity: float | None
) -> None:
    value = value_of(calibration, None, CostConfig())
    near, far = sorted((a, b), key=lambda score: abs(Fraction(score) - 2))  # exact: floats round to a tie
    if (near >= 2.0) == (far >= 2.0):
        assert value.of(complexity, near) >= value.of(complexity, far)
        assert value.error(complexity, near) >= value.error(complexity, far)


@given(SCORES, st.floats(-5, 20), st.floats(-5, 20))
def test_a_more_complex_frame_is_never_worth_less(score: float, a: float, b: float) -> None:
    value = value_of(LABELLED, None, CostConfig())
    simple, odd = sorted((a, b))
    assert value.of(odd, score) >= value.of(simple, score)
    assert value.of(math.nan, score) >= value.of(odd, score)
    assert value.of(None, score) == value.of(0.0, score)


@given(SCORES, COMPLEXITIES)
def test_an_error_s_probability_is_one_and_matches_p_defect(score: float, complexity: float | None) -> None:
    value = value_of(LABELLED, None, CostConfig())
    assert 0.0 < value.error(complexity, score) < 1.0
    assert LABELLED.p_defect is not None
    if abs(LABELLED.p_defect.logit(score)) < LIMIT:
        p = LABELLED.p_defect(score)
        assert value.error(None, score) == pytest.approx(1 - p if score >= 2.0 else p)


def test_without_labels_it_is_closeness_in_units_of_the_goods_spread() -> None:
    value = value_of(GOODS_ONLY, None, CostConfig())
    assert value.error(None, 2.0) == pytest.approx(0.5)
    assert value.error(None, 1.0) == pytest.approx(0.018, abs=1e-3)  # the median good
    scaled = msgspec.structs.replace(
        GOODS_ONLY, threshold=200.0, goods=[100 * score for score in GOODS_ONLY.goods]
    )
    for score in (0.3, 1.9, 2.6):
        assert value_of(scaled, None, FREE).of(1.0, 100 * score) == pytest.approx(
            value_of(GOODS_ONLY, None, FREE).of(1.0, score)
        )


def test_a_line_without_goods_or_spread_still_has_a_value() -> None:
    for goods in ([], [2.0] * 9):
        value = value_of(msgspec.structs.replace(GOODS_ONLY, goods=goods), None, CostConfig())
        assert value.of(None, 2.0) > value.of(None, 5.0)


def test_costs_are_the_user_s() -> None:
    passed, rejected = 1.8, 2.2
    plain, dear = (value_of(LABELLED, None, CostConfig(escape=e)) for e in (1.0, 20.0))
    assert dear.of(0.0, passed) > plain.of(0.0, passed)  # an escape may be mended
    assert dear.of(0.0, rejected) < plain.of(0.0, rejected)  # or made
    assert price(CostConfig()) < 1e-3
    slow = CostConfig(question_milliseconds=1e6)
    assert price(slow) - price(CostConfig()) == pytest.approx(1.0, rel=1e-3)
    assert value_of(LABELLED, None, slow).of(0.0, passed) == pytest.approx(
        value_of(LABELLED, None, CostConfig()).of(0.0, passed) - 1.0, abs=1e-3
    )
    assert price(FREE) == 0.0


def test_a_cloud_that_mends_nothing_is_worth_nothing() -> None:
    useless = CloudTrust(model="m", prompt="", mode="fused", mending=Mending(escape=0.0, overkill=0.0))
    value = value_of(LABELLED, useless, CostConfig())
    assert max(value.of(c, s) for c in (0.0, 9.0) for s in np.linspace(-3, 5, 50)) < 0.0


def test_a_score_that_is_no_number_is_always_asked_about() -> None:
    assert value_of(LABELLED, None, CostConfig()).of(0.0, math.nan) == math.inf


def test_complexity_weighs_as_much_as_it_tells() -> None:
    told, silent = (fit_asking(synthetic(0, told_by=t)) for t in (1.5, 0.0))
    assert told.oddness > 0.5 > 0.25 > silent.oddness
    assert told.errors > 50
    for fitted in (told, silent):
        assert 0.6 < fitted.sharpness < 1.6  # P(defect) was right


def test_the_fitted_error_rate_is_that_of_the_images() -> None:
    calibration = with_asking(synthetic(1, told_by=1.0))
    value = value_of(calibration, None, CostConfig())
    scores = {**calibration.good_scores, **calibration.defect_scores}
    expected = np.mean([value.error(calibration.complexities[name], s) for name, s in scores.items()])
    assert expected == pytest.approx(calibration.asking.errors / len(scores), abs=0.03)


def test_prevalence_weighs_the_classes() -> None:
    calibration = synthetic(2, told_by=0.0)
    rare = calibrate(
        calibration.good_scores,
        calibration.defects,
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=0.02,
        created="",
    )
    rare = msgspec.structs.replace(
        rare, good_scores=calibration.good_scores, defect_scores=calibration.defect_scores
    )
    before, after = (value_of(with_asking(c), None, FREE) for c in (calibration, rare))
    assert after.error(0.0, 1.0) < before.error(0.0, 1.0)  # an escape is less likely
    assert after.error(0.0, 2.5) > before.error(0.0, 2.5)  # an overkill more


@pytest.mark.parametrize("lacking", ["errors", "defects", "p_defect"])
def test_without_evidence_it_stays_as_assumed(lacking: str) -> None:
    calibration = synthetic(3, told_by=1.0)
    if lacking == "errors":
        apart = dict.fromkeys(calibration.defect_scores, 50.0)
        calibration = msgspec.structs.replace(
            calibration, defect_scores=apart, good_scores=dict.fromkeys(calibration.good_scores, -5.0)
        )
    elif lacking == "defects":
        calibration = msgspec.structs.replace(calibration, defect_scores={})
    else:
        calibration = msgspec.structs.replace(calibration, p_defect=None)
    assert fit_asking(calibration) == Asking()


def test_a_complexity_that_is_not_known_of_all_is_used_of_none() -> None:
    calibration = synthetic(4, told_by=1.5)
    some = dict(list(calibration.complexities.items())[:-1])
    assert fit_asking(msgspec.structs.replace(calibration, complexities=some)).oddness == 0.25


def test_mending_is_counted_under_the_line_s_fusion() -> None:
    trust = CloudTrust(model="m", prompt="", mode="fused", edge_weight=0.0, cloud_weight=1.0)
    half = msgspec.structs.replace(LABELLED, p_defect=Sigmoid(slope=2.0, centre=2.0, offset=0.0))
    # goods: two overkills, one mended; eight right, none spoilt. defects: four escapes, all mended.
    found = measure_mending(
        half, trust, [3.0, 3.0] + [0.0] * 8, [1.0] * 4 + [4.0] * 4, [0.1, 0.9] + [0.1] * 8, [0.9] * 8
    )
    assert found.errors == 6
    assert found.overkill == pytest.approx((1 + 4 * 0.8) / 6)
    assert found.escape == pytest.approx((4 + 4 * 0.8) / 8)
    assert found.to_overkill == pytest.approx(4 * 0.05 / 12)
    assert found.to_escape == pytest.approx(4 * 0.05 / 8)
    advisory = msgspec.structs.replace(trust, mode="advisory")
    assert measure_mending(half, advisory, [3.0], [1.0], [0.1], [0.9]) == Mending()
