"""On the way to the cloud: every frame is answered once and in time, whatever happens in whatever order."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.one_side import CloudOnly
from saec.settings import LinkConfig
from saec.types import UNBOUNDED, CloudState, EdgeOpinion

CONFIG = LinkConfig(margin=0.1, cooldown=1.0)
OPINION = EdgeOpinion(0.0, 0)


def make(**options: Any) -> Dispatch[Any]:
    settings: dict[str, Any] = {"batch": 4, "deadline": 1.1, "config": CONFIG}
    return Dispatch(**(settings | options))


def answer(
    dispatch: Dispatch[str], now: float, frames: int, seconds: float, *, answered: bool = True
) -> float:
    for _ in range(frames):
        dispatch.send()
    dispatch.begin(now, frames)
    dispatch.end(now + seconds, answered=answered)
    return now + seconds


def route(dispatch: Dispatch[str], now: float, taken: float) -> str:
    return CloudOnly().route(None, OPINION, dispatch.state(now, taken), now).reason


def test_without_a_deadline_it_only_counts() -> None:
    dispatch = make(deadline=None, capacity=2)
    answer(dispatch, 0.0, 1, 60.0, answered=False)
    dispatch.send()
    assert dispatch.state(100.0, 0.0) == CloudState("up", 1, 2)
    dispatch.hold(1, 0.0, "a")
    assert dispatch.overdue(1e9) == []
    assert dispatch.next_due() is None
    assert dispatch.claim(1)
    assert dispatch.request(0.0) == 4
    assert make(deadline=None, connected=False).state(0.0, 0.0) == CloudState("down", 0, UNBOUNDED)


def test_what_cannot_be_answered_in_time_is_turned_back() -> None:
    dispatch = make()
    assert route(dispatch, 0.0, 0.0) == "cloud-only"  # nothing is known yet
    now = answer(dispatch, 0.0, 1, 0.3)
    assert dispatch.state(now, now).left == pytest.approx(1.0)
    assert route(dispatch, now, now) == "cloud-only"
    assert route(dispatch, now, now - 0.7) == "cloud-late"  # it was taken long ago
    for _ in range(12):
        dispatch.send()
    wait = dispatch.state(now, now).wait
    assert wait is not None
    assert wait > 1.0
    assert route(dispatch, now, now) == "cloud-late"


def test_a_cloud_too_slow_for_any_frame_is_tried_again_after_a_rest() -> None:
    dispatch = make()
    now = answer(dispatch, 0.0, 1, 5.0)
    assert route(dispatch, now, now) == "cloud-late"
    assert dispatch.state(now + 1.0, now + 1.0).link == "probing"
    assert route(dispatch, now + 1.0, now + 1.0) == "cloud-only"
    dispatch.send()
    assert route(dispatch, now + 1.0, now + 1.0) == "cloud-late"  # one is enough
    for _ in range(30):
        dispatch.begin(now, 1)
        dispatch.end(now + 0.1, answered=True)
        dispatch.send()
    assert dispatch.state(now, now).link != "probing"


def test_requests_that_have_ended_are_counted_answered_or_not() -> None:
    dispatch = make()
    dispatch.send()
    dispatch.begin(0.0, 1)
    assert dispatch.asked == 0
    dispatch.end(0.1, answered=True)
    assert dispatch.asked == 1
    dispatch.begin(0.2, 0)
    dispatch.reset(0.3)
    assert dispatch.asked == 2


def test_a_link_that_is_down_takes_one_frame_when_it_is_probed() -> None:
    dispatch, now = make(), 0.0
    for _ in range(CONFIG.failures):
        now = answer(dispatch, now, 1, 0.1, answered=False)
    assert (route(dispatch, now, now), dispatch.request(now)) == ("cloud-down", 0)
    assert dispatch.retry_at is not None
    now = dispatch.retry_at
    assert (dispatch.state(now, now).link, dispatch.request(now)) == ("probing", 1)
    assert route(dispatch, now, now) == "cloud-only"
    dispatch.send()
    assert route(dispatch, now, now) == "cloud-down"


def test_frames_are_handed_back_once_in_the_order_of_their_deadlines() -> None:
    dispatch = make()
    for key, taken in enumerate((0.3, 0.1, 0.2)):
        dispatch.hold(key, taken, f"{taken}")
    assert dispatch.next_due() == pytest.approx(1.1)
    assert dispatch.claim(2)
    assert dispatch.overdue(1.05) == []
    assert dispatch.overdue(1.35) == ["0.1", "0.3"]
    assert dispatch.overdue(1.35) == []
    assert not dispatch.claim(0)
    assert (dispatch.held, dispatch.next_due()) == (0, None)


class Traffic(RuleBasedStateMachine):
    """Frames are taken, asked about, answered or lost, in any order; time goes on in any steps."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatch: Dispatch[int] = make(capacity=6)
        self.keys = itertools.count()
        self.now = 0.0
        self.waiting: list[int] = []
        self.batch: list[int] = []
        self.taken: dict[int, float] = {}
        self.verdicts: dict[int, list[str]] = {}

    @rule(step=st.floats(0.0, 0.4))
    def time_goes_on(self, step: float) -> None:
        until = self.now + step
        while (due := self.dispatch.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            for key in self.dispatch.overdue(self.now):
                assert self.now <= self.taken[key] + 1.1
                self.verdicts[key].append("provisional")
        self.now = until

    @rule()
    def a_frame_comes(self) -> None:
        state = self.dispatch.state(self.now, self.now)
        if CloudOnly().route(None, OPINION, state, self.now).decision == "edge":
            return
        assert state.queue < state.capacity
        key = next(self.keys)
        self.taken[key], self.verdicts[key] = self.now, []
        self.dispatch.send()
        self.dispatch.hold(key, self.now, key)
        self.waiting.append(key)

    @precondition(lambda self: not self.batch)
    @rule()
    def a_request_goes_out(self) -> None:
        frames = min(self.dispatch.request(self.now), len(self.waiting))
        if frames:
            self.batch, self.waiting = self.waiting[:frames], self.waiting[frames:]
            self.dispatch.begin(self.now, frames)

    @precondition(lambda self: self.batch)
    @rule(answered=st.booleans())
    def it_ends(self, answered: bool) -> None:
        self.dispatch.end(self.now, answered=answered)
        for key in self.batch:
            in_time = self.dispatch.claim(key)
            assert in_time == (not self.verdicts[key])
            self.verdicts[key].append("final")
        self.batch = []

    @invariant()
    def none_is_forgotten(self) -> None:
        assert self.dispatch.queue == len(self.waiting)
        open_ones = {key for key, given in self.verdicts.items() if not given}
        assert self.dispatch.held == len(open_ones)
        assert all(self.now <= self.taken[key] + 1.0 + 1e-9 for key in open_ones)

    @invariant()
    def verdicts_come_in_order_and_once(self) -> None:
        orders: tuple[list[str], ...] = ([], ["provisional"], ["final"], ["provisional", "final"])
        assert all(given in orders for given in self.verdicts.values())


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@given(st.floats(0.01, 100), st.floats(0, 100), st.floats(0, 100))
def test_the_time_left_falls_with_the_clock(deadline: float, taken: float, later: float) -> None:
    dispatch = make(deadline=deadline)
    now, then = (dispatch.state(taken + wait, taken).left for wait in (0.0, later))
    assert now is not None
    assert then is not None
    assert then <= now <= deadline + 1e-9


def test_after_a_failure_of_whoever_asks_nothing_waits_and_the_request_counts_as_lost() -> None:
    dispatch = make()
    for _ in range(3):
        dispatch.send()
    dispatch.begin(0.0, 2)
    dispatch.reset(1.0)
    assert (dispatch.queue, dispatch.state(1.0, 1.0).link) == (0, "slow")
    idle = make()
    idle.send()
    idle.reset(1.0)
    assert (idle.queue, idle.state(1.0, 1.0).link) == (0, "up")
