"""The circuit breaker: what opens it, what closes it, and how long it rests between probes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.schedule.link.circuit_breaker import Link
from saec.settings import LinkConfig

CONFIG = LinkConfig(failures=3, cooldown=1.0, longest=8.0)


def make(config: LinkConfig = CONFIG) -> Link:
    return Link(config, timeout=2.0, slow_after=0.5)


def ask(link: Link, now: float, seconds: float, *, answered: bool) -> float:
    link.begin(now)
    link.end(now + seconds, answered=answered)
    return now + seconds


def test_failures_in_a_row_open_it_and_a_probe_closes_it() -> None:
    link = make()
    now = ask(link, 0.0, 0.1, answered=True)
    assert link.state(now) == "up"
    for state in ("slow", "slow", "down"):
        now = ask(link, now, 0.1, answered=False)
        assert link.state(now) == state
    assert link.retry_at == now + 1.0
    assert link.state(now + 0.99) == "down"
    assert link.state(now + 1.0) == "probing"
    now = ask(link, now + 1.0, 0.1, answered=True)
    assert link.state(now) == "up"
    assert link.retry_at is None


def test_an_answer_in_between_forgives_failures() -> None:
    link, now = make(), 0.0
    for answered in (False, False, True) * 5:
        now = ask(link, now, 0.1, answered=answered)
        assert link.state(now) in ("up", "slow")


def test_each_probe_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    link, now, rests = make(), 0.0, []
    for _ in range(3):
        now = ask(link, now, 0.1, answered=False)
    for _ in range(6):
        assert link.retry_at is not None
        rests.append(link.retry_at - now)
        now = ask(link, link.retry_at, 0.1, answered=False)
    assert rests == pytest.approx([1, 2, 4, 8, 8, 8])
    ask(link, now + 10, 0.1, answered=True)
    for _ in range(3):
        now = ask(link, now + 20, 0.1, answered=False)
    assert link.retry_at == pytest.approx(now + 1.0)


def test_a_request_that_hangs_takes_it_down_until_it_ends() -> None:
    link = make()
    link.begin(0.0)
    assert link.state(2.0) == "up"
    assert link.state(2.1) == "down"
    link.end(3.0, answered=True)
    assert link.state(3.0) == "slow"  # it took longer than half a second


def test_it_is_slow_while_requests_typically_take_long() -> None:
    link, now = make(), 0.0
    for _ in range(40):
        now = ask(link, now, 0.6, answered=True)
    assert link.state(now) == "slow"
    for _ in range(40):
        now = ask(link, now, 0.1, answered=True)
    assert link.state(now) == "up"


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 5), st.booleans())), st.floats(0, 40))
def test_it_is_down_only_after_failures_and_never_for_longer_than_the_limit(
    events: list[tuple[float, float, bool]], later: float
) -> None:
    link, now, failed = make(), 0.0, 0
    for rest, seconds, answered in events:
        now = ask(link, now + rest, seconds, answered=answered)
        failed = 0 if answered else failed + 1
        assert (link.state(now) == "down") <= (failed >= CONFIG.failures)
    state = link.state(now + later)
    if failed < CONFIG.failures:
        assert state in ("up", "slow")
    if later >= CONFIG.longest:
        assert state != "down"
