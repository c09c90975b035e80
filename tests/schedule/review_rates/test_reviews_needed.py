"""The plan of further reviews, checked by doing them."""

from __future__ import annotations

import pytest

from saec.errors import ConfigError
from saec.schedule.review_rates.quality_rates import QualityRates, estimate_rates
from saec.schedule.review_rates.reviews_needed import reviews_needed
from saec.schedule.review_rates.stratum_sample import StratumSample


def seen(passed: int, missed: int, rejected: int, false: int) -> QualityRates:
    def one(side: str, population: int, n: int, defects: int) -> StratumSample:
        return StratumSample(
            side="passed" if side == "passed" else "rejected",
            probability=0.1,
            population=population,
            drawn=n,
            readings={(1, 1): defects, (1, 0): n - defects},
        )

    return estimate_rates(
        [one("passed", 20_000, passed, missed), one("rejected", 1_000, rejected, rejected - false)]
    )


def test_as_many_further_reviews_reach_the_distance_and_half_of_them_do_not() -> None:
    now = seen(100, 1, 40, 4)
    plan = reviews_needed(now, "escape_rate", 0.08)
    assert plan.enough
    assert plan.passed > 0
    passed, rejected = 100 + plan.passed, 40 + plan.rejected
    after = seen(passed, round(0.01 * passed), rejected, round(0.1 * rejected))
    assert after.escape_rate.reach <= 0.085
    passed, rejected = 100 + plan.passed // 2, 40 + plan.rejected // 2
    half = seen(passed, round(0.01 * passed), rejected, round(0.1 * rejected))
    assert half.escape_rate.reach > 0.085


def test_a_share_needs_reviews_of_its_own_side_alone() -> None:
    now = seen(100, 1, 40, 4)
    plan = reviews_needed(now, "goods_among_rejected", 0.05)
    assert plan.passed == 0
    assert plan.rejected > 20
    plan = reviews_needed(now, "defects_among_passed", 0.01)
    assert plan.rejected == 0
    assert plan.passed > 100


def test_what_is_known_well_enough_needs_no_review() -> None:
    plan = reviews_needed(seen(100, 1, 40, 4), "overkill_rate", 0.05)
    assert (plan.passed, plan.rejected, plan.enough) == (0, 0, True)


def test_a_side_that_nobody_looked_at_is_planned_too() -> None:
    now = estimate_rates(
        [
            StratumSample(side="passed", probability=0.01, population=9_000, drawn=90, readings={}),
            StratumSample(side="rejected", probability=0.1, population=900, drawn=90, readings={(1, 1): 90}),
        ]
    )
    plan = reviews_needed(now, "defects_among_passed", 0.03)
    assert plan.enough
    assert 60 <= plan.passed <= 130


def test_a_distance_that_lost_frames_forbid_says_so() -> None:
    now = estimate_rates(
        [
            StratumSample(
                side="passed", probability=1.0, population=20, drawn=20, readings={(1, 0): 8}, lost=12
            ),
            StratumSample(side="rejected", probability=1.0, population=9, drawn=9, readings={(1, 1): 9}),
        ]
    )
    assert not reviews_needed(now, "defects_among_passed", 0.01).enough


def test_a_distance_is_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match="distance"):
        reviews_needed(seen(100, 1, 40, 4), "escape_rate", 0.0)
