"""The drift test: false alarms no more often than stated, shifts seen, defects no drift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import DataError
from saec.schedule.calibration.drift import DriftMonitor, DriftState


def watch(monitor: DriftMonitor, scores: np.ndarray) -> DriftState:
    for score in scores.tolist():
        monitor.update(score)
    return monitor.state


@pytest.mark.parametrize("n", [8, 20, 200])
def test_false_alarms_are_no_more_frequent_than_stated(n: int) -> None:
    """Within T frames at most T / every; calibration goods are drawn anew, few as they are."""
    rng = np.random.default_rng(n)
    runs, frames, every = 400, 100, 500
    alarms = sum(
        watch(DriftMonitor(rng.gamma(2, size=n).tolist(), every=every), rng.gamma(2, size=frames)).alarm
        is not None
        for _ in range(runs)
    )
    bound = frames / every
    assert alarms / runs <= bound + 2 * math.sqrt(bound * (1 - bound) / runs)
    assert n < 20 or alarms > 0  # and it is no test that never rings


def test_the_statistic_grows_like_the_frames_on_average() -> None:
    """Shiryaev and Roberts less the frames is a fair game; three frames keep its variance small."""
    rng = np.random.default_rng(0)
    ends = [
        watch(DriftMonitor(rng.normal(size=60).tolist()), rng.normal(size=3)).statistic for _ in range(4000)
    ]
    assert np.mean(ends) <= 3 + 3 * np.std(ends) / math.sqrt(len(ends))
    assert np.mean(ends) > 1


@pytest.mark.parametrize(
    ("shift", "direction"), [(1.0, "higher"), (-1.0, "lower"), (-0.5, "lower"), (6.0, "anomalous")]
)
def test_a_sudden_shift_is_seen(shift: float, direction: str) -> None:
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(rng.normal(size=200).tolist())
    assert watch(monitor, rng.normal(size=1000)).alarm is None
    state = watch(monitor, rng.normal(shift, 1, 400))
    assert state.alarm is not None
    assert 1000 < state.alarm <= 1400
    assert state.direction == direction
    assert f"frame {state.alarm} of 1400" in state.sentence()


def test_a_slow_drift_is_seen() -> None:
    rng = np.random.default_rng(4)
    state = watch(DriftMonitor(rng.normal(size=300).tolist()), rng.normal(np.linspace(0, -1.5, 3000), 1))
    assert state.direction == "lower"


def test_how_many_defects_come_is_no_drift() -> None:
    rng = np.random.default_rng(5)
    frames = np.where(rng.random(3000) < 0.4, rng.normal(9, 1, 3000), rng.normal(size=3000))
    assert watch(DriftMonitor(rng.normal(size=200).tolist()), frames).alarm is None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9), max_size=40),
    st.lists(st.one_of(st.floats(), st.sampled_from([0.0, 1.0])), max_size=60),
)
def test_any_scores_are_taken_and_an_alarm_stays(goods: list[float], scores: list[float]) -> None:
    monitor = DriftMonitor(goods, every=50)
    first = None
    for i, score in enumerate(scores, 1):
        state = monitor.update(score)
        assert state == monitor.state
        assert state.frames == i
        assert math.isfinite(state.statistic)
        assert state.statistic >= 0
        first = first or state.alarm
        assert state.alarm == first
        assert (state.direction is None) == (state.alarm is None) == (state.sentence() == "")


def test_constant_scores_are_no_drift() -> None:
    assert watch(DriftMonitor([1.0] * 50, every=1000), np.full(500, 0.5)).alarm is None


def test_the_same_scores_give_the_same_state() -> None:
    rng = np.random.default_rng(6)
    goods, scores = rng.normal(size=100), rng.normal(0.3, 1, 500)
    assert watch(DriftMonitor(goods.tolist()), scores) == watch(DriftMonitor(goods.tolist()), scores)


def test_a_good_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError):
        DriftMonitor([1.0, math.nan])
