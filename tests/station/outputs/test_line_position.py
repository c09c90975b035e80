"""Counters wrap and jump, contacts bounce, and a position is known at any time of the last seconds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.station.outputs.debounced_input import DebouncedInput, InputChange
from saec.station.outputs.line_position import EncoderCount, PositionHistory, RunningSeconds


@given(st.integers(0, 65535), st.lists(st.integers(-90, 100), max_size=200))
def test_a_counter_that_wraps_loses_no_count(start: int, steps: list[int]) -> None:
    count = EncoderCount(65536, 100)
    for value in itertools.accumulate(steps, initial=start):
        assert not count.see(value % 65536)
    assert count.position == sum(steps)


def test_a_counter_that_is_set_to_zero_has_jumped_and_goes_on_from_there() -> None:
    count = EncoderCount(1 << 32, 100)
    assert [count.see(value) for value in (5000, 5010, 0, 7)] == [False, False, True, False]
    assert (count.position, count.jumps) == (17, 1)


def test_seconds_pass_only_while_the_line_runs() -> None:
    running = RunningSeconds()
    for now, runs in ((0.0, False), (1.0, True), (3.0, True), (4.0, False), (9.0, True), (9.5, True)):
        running.see(runs, now)
    assert running.position == pytest.approx(3.5)


def test_a_position_is_known_between_readings_and_not_before_the_first() -> None:
    history = PositionHistory()
    for now in range(5):
        history.note(now, 10.0 * now)
    assert [history.at(time) for time in (-0.1, 0, 0.5, 3.25, 4, 99)] == [None, 0, 5, 32.5, 40, 40]
    history.note(13.5, 41.0)
    assert history.at(3.0) is None, "only some seconds are remembered"
    history.clear()
    assert history.at(13.5) is None


@given(st.lists(st.floats(0.001, 0.2), max_size=60), st.floats(0, 0.05))
def test_only_levels_that_stand_long_enough_are_changes(lasting: list[float], debounce: float) -> None:
    """The input changes its level after each of the times; it is looked at once for each change."""
    contact, now, found = DebouncedInput(debounce), 0.0, list[InputChange]()
    contact.see([InputChange(0.0, False)], 0.0)
    expected, level, stands = list[InputChange](), False, False
    edges = list(itertools.accumulate(lasting))
    for at, until in itertools.pairwise([*edges, *([edges[-1] + 1.0] if edges else [])]):
        level, now = not level, at
        found += contact.see([InputChange(at, level)], at)
        if until - at >= debounce and level != stands:
            expected.append(InputChange(at, level))
            stands = level
    found += contact.see([], now + 1.0)
    assert found == expected


def test_a_level_that_stands_at_the_start_is_no_change() -> None:
    contact = DebouncedInput(0.0)
    assert contact.see([InputChange(0.0, True)], 0.0) == []
    assert contact.see([InputChange(1.0, False), InputChange(1.1, True)], 2.0) == [(1.0, False), (1.1, True)]
