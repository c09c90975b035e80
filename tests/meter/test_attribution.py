"""Energy is shared out, never made or lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import ConfigError, DataError
from saec.meter.attribution import Counter, EnergyShares, attribute, batch_weights
from saec.meter.estimate import EstimatedCpu

times = st.floats(-5, 25, allow_nan=False)
spans = st.lists(st.tuples(times, times, st.floats(0.01, 3)), max_size=30)
powers = st.lists(st.floats(0, 500), min_size=1, max_size=20)


def counter(watts: list[float], idle: float = 0.0) -> Counter:
    return Counter(np.arange(len(watts) + 1.0), np.r_[0.0, np.cumsum(watts)], idle)


def share(c: Counter, work: list[tuple[float, float, float]]) -> EnergyShares:
    begins = np.array([min(a, b) for a, b, _ in work])
    ends = np.array([max(a, b) for a, b, _ in work])
    return attribute(c, begins, ends, np.array([w for *_, w in work]))


@given(powers, st.floats(0, 300), spans)
def test_the_parts_add_up_to_the_whole(
    watts: list[float], idle: float, work: list[tuple[float, float, float]]
) -> None:
    shares = share(counter(watts, idle), work)
    assert shares.total == pytest.approx(sum(watts))
    assert shares.idle + shares.unattributed + shares.spans.sum() == pytest.approx(shares.total, abs=1e-6)
    assert shares.idle >= 0
    assert shares.unattributed >= -1e-9
    assert (shares.spans >= -1e-9).all()


@given(powers, spans)
def test_work_that_lasted_no_time_or_lay_outside_costs_nothing(
    watts: list[float], work: list[tuple[float, float, float]]
) -> None:
    begins = np.array([a for a, _, _ in work])
    shares = attribute(counter(watts), begins, begins, np.array([w for *_, w in work]))
    assert shares.spans.tolist() == [0.0] * len(work)
    outside = attribute(counter(watts), np.array([100.0]), np.array([200.0]), np.ones(1))
    assert outside.spans.tolist() == [0.0]
    assert outside.unattributed == pytest.approx(sum(watts))


def test_shares_by_hand() -> None:
    # 10 W at rest; 30 W in the second and third second; one span alone, then two at once.
    c = counter([10, 30, 30, 30, 10], idle=10)
    shares = attribute(c, np.array([1.0, 2.0]), np.array([3.0, 3.0]), np.ones(2))
    assert shares.spans.tolist() == pytest.approx([30.0, 10.0])
    assert shares.idle == pytest.approx(50)
    assert shares.unattributed == pytest.approx(20)


def test_a_batch_costs_what_one_frame_in_it_would_and_its_frames_share_it() -> None:
    c = counter([50, 50, 50, 50])
    weights = batch_weights(["a", "a", "a", "a", "b"])
    shares = attribute(c, np.array([0.0] * 4 + [2.0]), np.array([2.0] * 4 + [4.0]), weights)
    assert shares.spans.tolist() == pytest.approx([25.0] * 4 + [100.0])


def test_below_idle_is_idle() -> None:
    shares = attribute(counter([5, 5], idle=10), np.array([0.0]), np.array([2.0]), np.ones(1))
    assert (shares.idle, shares.spans[0]) == (pytest.approx(10), 0.0)


@pytest.mark.parametrize(
    ("t", "j"), [([0.0], [0.0]), ([0, 1, 1], [0, 1, 2]), ([0, 1], [1, 0]), ([0, 1], [0, np.nan])]
)
def test_a_counter_that_goes_back_is_refused(t: list[float], j: list[float]) -> None:
    with pytest.raises(DataError):
        Counter(np.array(t, float), np.array(j, float))


def test_spans_that_make_no_sense_are_refused() -> None:
    for begin, end, weight in ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0)):
        with pytest.raises(DataError):
            attribute(counter([1.0]), np.array([begin]), np.array([end]), np.array([weight]))


def test_an_estimate_follows_cpu_time_and_says_that_it_is_one() -> None:
    cpu, clock = iter([5.0, 5.0, 7.0, 6.0, 6.5]), iter([100.0, 100.0, 110.0, 111.0, 112.0])
    estimate = EstimatedCpu(lambda: next(cpu), busy_w=8.0, idle_w=3.0, clock=lambda: next(clock))
    assert [estimate.energy_j() for _ in range(4)] == [0.0, 30.0 + 16.0, 33.0 + 16.0, 36.0 + 20.0]
    assert "ESTIMATED" in estimate.notes[0]
    with pytest.raises(ConfigError, match="watts"):
        EstimatedCpu(lambda: 0.0, busy_w=0.0)
