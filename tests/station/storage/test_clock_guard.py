"""A clock that jumps, or that does not go on from where it was, makes nothing old at once."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from saec.station.storage.space.clock_guard import (
    AHEAD,
    JUMP,
    REST,
    UNPROVEN_REST,
    ClockGuard,
    is_synchronised,
)


def guard(proven: float | None = 1e9, *, synchronised: bool = False) -> ClockGuard:
    return ClockGuard(proven, lambda wall: synchronised)


def test_a_clock_that_goes_on_is_trusted() -> None:
    held = guard()
    assert [held.look(1e9 + t, t) for t in (5.0, 65.0, 1e5)] == [(True, "")] * 3


@given(st.floats(JUMP * 1.01, AHEAD * 0.9), st.sampled_from([1, -1]))
def test_a_clock_that_jumped_is_trusted_again_after_a_rest(size: float, way: int) -> None:
    held, jump = guard(), size * way
    held.look(1e9, 0.0)
    trusted, told = held.look(1e9 + 60 + jump, 60.0)
    assert not trusted
    assert "jumped" in told or "behind" in told
    rest = UNPROVEN_REST if "behind" in told else REST
    assert held.look(1e9 + 59 + rest + jump, 59.0 + rest) == (False, "")
    assert held.look(1e9 + 60 + rest + jump, 60.0 + rest) == (True, "")


def test_a_clock_that_is_put_right_rests_an_hour_more() -> None:
    held = guard()
    held.look(1e9, 0.0)
    assert "ahead of" in held.look(2e9, 60.0)[1]
    trusted, told = held.look(1e9 + 120, 120.0)
    assert not trusted
    assert "jumped by -" in told
    assert not held.look(1e9 + 180, 180.0)[0]
    assert held.look(1e9 + 120 + REST, 120.0 + REST)[0]


@given(st.floats(AHEAD * 1.01, 1e9), st.sampled_from([1, -1]), st.booleans())
def test_a_start_far_from_the_last_known_time_waits_for_proof(size: float, way: int, synced: bool) -> None:
    wall = 1e9 + size * way
    held = guard(synchronised=synced)
    trusted, told = held.look(wall, 10.0)
    assert trusted is synced
    assert bool(told) is not synced
    steady = 10.0 + UNPROVEN_REST
    assert held.look(wall + UNPROVEN_REST - 1, steady - 1)[0] is synced
    assert held.look(wall + UNPROVEN_REST, steady) == (True, "")
    assert held.proven == wall + UNPROVEN_REST


def test_a_clock_that_is_synchronised_later_is_trusted_then() -> None:
    told = [False]
    held = ClockGuard(1e9, lambda wall: told[0])
    assert not held.look(2e9, 0.0)[0]
    told[0] = True
    assert held.look(2e9 + 60, 60.0) == (True, "")
    told[0] = False
    assert held.look(2e9 + 120, 120.0) == (True, "")


def test_under_a_new_database_nothing_is_trusted_and_nobody_is_alarmed() -> None:
    held = guard(None)
    assert held.look(1e9, 0.0) == (False, "")
    assert held.look(1e9 + UNPROVEN_REST, UNPROVEN_REST) == (True, "")


def test_the_kernel_vouches_for_its_own_time_alone() -> None:
    assert isinstance(is_synchronised(time.time()), bool)
    assert not is_synchronised(time.time() + 40 * 86400)
