"""Rates from random samples: what they say, and what they admit not to know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from saec.errors import ConfigError, DataError
from saec.schedule.review_rates.quality_rates import estimate_rates
from saec.schedule.review_rates.stratum_sample import Side, StratumSample
from saec.schedule.statistics.exact_interval import clopper_pearson

ROOT = Path(__file__).parents[3]


def sample(
    side: Side,
    population: int,
    readings: Mapping[tuple[int, int], int],
    *,
    probability: float = 0.01,
    unsure: int = 0,
    lost: int = 0,
    waiting: int = 0,
) -> StratumSample:
    drawn = sum(readings.values()) + unsure + lost + waiting
    return StratumSample(
        side=side,
        probability=probability,
        population=population,
        drawn=drawn,
        readings=readings,
        unsure=unsure,
        lost=lost,
    )


PASSED = sample("passed", 95_000, {(1, 0): 197, (1, 1): 3})
REJECTED = sample("rejected", 5_000, {(1, 1): 36, (1, 0): 4})


def test_shares_are_exact_and_rates_are_their_ratios() -> None:
    rates = estimate_rates([PASSED, REJECTED])
    for found, k, n in ((rates.defects_among_passed, 3, 200), (rates.goods_among_rejected, 4, 40)):
        known = clopper_pearson(k, n, 0.9)
        assert known is not None
        assert found.value == k / n
        assert (found.low, found.high) == pytest.approx(known, rel=2e-3)
    missed, caught = 95_000 * 3 / 200, 5_000 * 36 / 40
    assert rates.escape_rate.value == pytest.approx(missed / (missed + caught))
    false, right = 5_000 * 4 / 40, 95_000 * 197 / 200
    assert rates.overkill_rate.value == pytest.approx(false / (false + right))
    assert rates.readers is None


def test_a_greater_confidence_is_never_narrower() -> None:
    narrow, wide = (estimate_rates([PASSED, REJECTED], confidence=level) for level in (0.8, 0.95))
    for a, b in (
        (narrow.escape_rate, wide.escape_rate),
        (narrow.overkill_rate, wide.overkill_rate),
        (narrow.defects_among_passed, wide.defects_among_passed),
    ):
        assert b.low <= a.low
        assert a.high <= b.high


def test_no_finding_gives_a_bound_above_and_zero_below() -> None:
    rates = estimate_rates([sample("passed", 95_000, {(1, 0): 200}), REJECTED])
    assert rates.escape_rate.low == rates.escape_rate.value == 0.0
    assert 0.0 < rates.escape_rate.high < 0.5


def test_a_side_without_reviews_leaves_what_the_other_bounds() -> None:
    rates = estimate_rates([PASSED, sample("rejected", 5_000, {}, waiting=5)])
    assert rates.goods_among_rejected.value is None
    assert (rates.goods_among_rejected.low, rates.goods_among_rejected.high) == (0.0, 1.0)
    assert rates.escape_rate.value is None
    assert rates.escape_rate.high == 1.0
    assert rates.escape_rate.low > 0.05  # even if all 5,000 are defects, some of 95,000 passed are too
    assert rates.overkill_rate.high < 0.1  # even if none is


def test_nothing_reviewed_is_nothing_known() -> None:
    rates = estimate_rates([])
    assert rates.escape_rate.value is None
    assert (rates.escape_rate.low, rates.escape_rate.high) == (0.0, 1.0)


def test_all_frames_reviewed_is_all_known() -> None:
    rates = estimate_rates(
        [
            sample("passed", 50, {(1, 0): 49, (1, 1): 1}, probability=1.0),
            sample("rejected", 4, {(1, 1): 3, (1, 0): 1}, probability=1.0),
        ]
    )
    assert rates.escape_rate.low == rates.escape_rate.high == 1 / 4
    assert rates.overkill_rate.low == rates.overkill_rate.high == 1 / 50


def test_one_probability_is_one_sample_however_it_is_split() -> None:
    halves = [
        sample("passed", 47_500, {(1, 0): 99, (1, 1): 1}),
        sample("passed", 47_500, {(1, 0): 98, (1, 1): 2}),
    ]
    assert estimate_rates([*halves, REJECTED]) == estimate_rates([PASSED, REJECTED])


def test_samples_of_two_probabilities_weigh_by_their_populations() -> None:
    often = sample("passed", 1_000, {(1, 0): 95, (1, 1): 5}, probability=0.1)
    seldom = sample("passed", 9_000, {(1, 0): 89, (1, 1): 1}, probability=0.01)
    found = estimate_rates([often, seldom]).defects_among_passed
    assert found.value == pytest.approx(0.1 * 5 / 100 + 0.9 * 1 / 90)
    assert found.low < 0.01
    assert 0.03 < found.high < 0.06


def test_days_that_still_wait_are_weighed_by_their_frames() -> None:
    """More answers about the good day than about the bad one do not make the line better."""
    good = sample("passed", 5_000, {(1, 0): 100}, waiting=1)
    bad = sample("passed", 5_000, {(1, 0): 16, (1, 1): 4}, waiting=80)
    days = [msgspec.structs.replace(one, day=n) for n, one in enumerate((good, bad))]
    found = estimate_rates([*days, REJECTED]).defects_among_passed
    assert found.value == pytest.approx(0.5 * 4 / 20)
    assert found.low > 0.02


def test_a_day_that_nobody_reviewed_is_taken_as_the_others_and_at_worst_as_wrong() -> None:
    unseen = msgspec.structs.replace(sample("passed", 5_000, {}, waiting=50), day=1)
    found, known = estimate_rates([PASSED, REJECTED, unseen]), estimate_rates([PASSED, REJECTED])
    assert found.passed.unseen == 5_000
    assert found.defects_among_passed.high == known.defects_among_passed.high
    assert found.defects_among_passed.worst_high > 0.05
    assert found.escape_rate.value is not None
    assert known.escape_rate.value is not None
    assert found.escape_rate.value > known.escape_rate.value  # of more passed frames


def test_missing_frames_say_what_they_could_change_at_worst() -> None:
    found = estimate_rates([sample("passed", 95_000, {(1, 0): 197, (1, 1): 3}, unsure=4, lost=6), REJECTED])
    whole = estimate_rates([PASSED, REJECTED])
    assert found.defects_among_passed.high == pytest.approx(whole.defects_among_passed.high)
    known = clopper_pearson(13, 210, 0.9)
    assert known is not None
    assert found.defects_among_passed.worst_high == pytest.approx(known[1], rel=2e-3)
    assert found.escape_rate.worst_high > found.escape_rate.high
    assert found.passed.unsure == 4
    assert found.passed.lost == 6
    assert found.passed.waiting == 0


def test_people_who_always_agree_are_hardly_doubted() -> None:
    rates = estimate_rates(
        [
            sample("passed", 95_000, {(2, 0): 197, (2, 2): 3}),
            sample("rejected", 5_000, {(2, 2): 36, (2, 0): 4}),
        ]
    )
    assert rates.readers is not None
    assert rates.readers.compared == 240
    assert rates.readers.differed == 0
    assert rates.readers.false_alarm.high < 0.02
    assert rates.defects_among_passed.value == pytest.approx(3 / 200, rel=0.05)


def test_a_lone_finding_among_people_who_err_may_be_an_error() -> None:
    rates = estimate_rates(
        [
            sample("passed", 95_000, {(2, 0): 90, (2, 1): 10, (1, 1): 2, (1, 0): 100}),
            sample("rejected", 5_000, {(2, 2): 36, (2, 1): 4}),
        ]
    )
    assert rates.readers is not None
    assert rates.readers.false_alarm.low < 0.06 < rates.readers.false_alarm.high
    assert rates.defects_among_passed.low == 0.0


def test_readings_elsewhere_tell_of_readers_alone() -> None:
    elsewhere = [
        sample("passed", 500, {(2, 0): 400, (2, 1): 16}, probability=0.9),
        sample("rejected", 90, {(2, 2): 70, (2, 1): 3}, probability=0.9),
    ]
    rates = estimate_rates([PASSED, REJECTED], elsewhere=elsewhere)
    assert rates.readers is not None
    assert rates.readers.differed == 19
    assert rates.passed.reviewed == 200
    assert rates.defects_among_passed.low < estimate_rates([PASSED, REJECTED]).defects_among_passed.low


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be"):
        estimate_rates([sample("passed", 3, {(1, 0): 4})])
    with pytest.raises(DataError, match="cannot be"):
        estimate_rates([sample("passed", 30, {(1, 2): 4})])
    with pytest.raises(ConfigError, match="no level"):
        estimate_rates([PASSED], confidence=1.0)


def test_intervals_cover_over_simulated_shifts() -> None:
    readers = ["--readers", "right", "2 %"]
    command = [sys.executable, "benchmarks/review_rates.py", "--shifts", "30", "--wider", "1.6"]
    done = subprocess.run([*command, *readers], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
