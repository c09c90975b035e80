"""A clock that jumps makes nothing old at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saec.station.storage.retention import JUMP, REST, ClockGuard


def test_a_steady_clock_is_trusted() -> None:
    guard = ClockGuard()
    assert [guard.look(1e9 + t, t) for t in (5.0, 65.0, 1e5)] == [(True, 0.0)] * 3


@given(st.floats(JUMP * 1.01, 1e9), st.sampled_from([1, -1]))
def test_a_clock_that_jumped_is_trusted_again_after_a_rest(size: float, way: int) -> None:
    guard, jump = ClockGuard(), size * way
    guard.look(1e9, 0.0)
    trusted, seen = guard.look(1e9 + 60 + jump, 60.0)
    assert not trusted
    assert abs(seen - jump) < 1e-3
    assert guard.look(1e9 + 59 + REST + jump, 59.0 + REST) == (False, 0.0)
    assert guard.look(1e9 + 60 + REST + jump, 60.0 + REST) == (True, 0.0)


def test_a_clock_that_is_put_right_rests_once_more() -> None:
    guard = ClockGuard()
    guard.look(1e9, 0.0)
    guard.look(2e9, 60.0)
    trusted, jump = guard.look(1e9 + 120, 120.0)
    assert not trusted
    assert jump < -9e8
    assert not guard.look(1e9 + 180, 180.0)[0]
