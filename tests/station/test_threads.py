"""A thread that fails is begun again, later each time; one without progress is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from saec.station import threads
from saec.station.threads import GROWTH, LONGEST, Stopping, Watched

Body = Callable[[Stopping], None]


def ignore(name: str, error: BaseException) -> None:
    pass


@contextmanager
def running(body: Body, **how: object) -> Iterator[Watched]:
    stopping = Stopping()
    watched = Watched("edge", body, stopping, ignore, **how)  # type: ignore[arg-type]
    watched.start()
    try:
        yield watched
    finally:
        stopping.set()
        assert watched.join(60)


def wait_for(ready: Callable[[], object]) -> None:
    tick = threading.Event()
    for _ in range(3000):
        if ready():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come")


def test_looking_whether_to_stop_is_a_turn_and_so_is_a_sleep() -> None:
    def turning(stopping: Stopping) -> None:
        while not stopping.wait(0.001):
            pass

    def sleeping(stopping: Stopping) -> None:
        stopping.wait(1000)

    for body in (turning, sleeping):
        with running(body, limit=30.0) as watched:
            assert (watched.stuck(), watched.problem()) == (None, None)
            assert not watched.status()["failing"]
            assert watched.status()["alive"]


def test_a_body_that_makes_no_turn_is_stuck_until_it_does() -> None:
    entered, release = threading.Event(), threading.Event()

    def hanging(stopping: Stopping) -> None:
        entered.set()
        release.wait(60)
        stopping.wait(1000)

    with running(hanging, limit=0.05) as watched:
        wait_for(watched.stuck)
        assert watched.problem() == watched.stuck().what
        assert "edge has been stuck for" in watched.problem()  # type: ignore[operator]
        assert watched.status()["stuck"]
        release.set()
        wait_for(lambda: watched.stuck() is None)


def test_long_work_that_shows_its_progress_is_not_stuck() -> None:
    ended = threading.Event()

    def working(stopping: Stopping) -> None:
        for _ in range(50):
            stopping.turn()
            threading.Event().wait(0.002)
        ended.set()
        stopping.wait(1000)

    with running(working, limit=30.0) as watched:
        assert ended.wait(30)
        assert watched.status()["turn_s"] < 30


@pytest.mark.parametrize("may_end", [False, True])
def test_a_thread_that_ends_by_itself_is_missed_unless_it_may(may_end: bool) -> None:
    with running(lambda stopping: None, may_end=may_end) as watched:
        assert watched.join(60)
        assert (watched.stuck() is None) == may_end
        assert (watched.problem() is None) == may_end


def test_a_thread_that_is_not_started_is_not_missed() -> None:
    assert Watched("edge", lambda _: None, Stopping(), ignore).stuck() is None


def test_one_that_fails_again_and_again_says_why_and_is_begun_later_each_time() -> None:
    pauses: list[float] = []

    class Impatient(Stopping):
        def seen_by(self, pulse: object) -> Stopping:
            return self

        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            if len(pauses) == 12:
                self.set()
            return self.is_set()

    def failing(stopping: Stopping) -> None:
        raise OSError("no disk")

    watched = Watched("edge", failing, Impatient(), ignore)
    watched.start()
    assert watched.join(60)
    assert watched.failures == 12
    assert pauses[0] == threads.FIRST
    assert all(later == min(GROWTH * sooner, LONGEST) for sooner, later in pairwise(pauses))
    assert pauses[-1] == LONGEST


def test_a_failure_is_a_problem_and_not_stuck() -> None:
    failed = threading.Event()

    def failing(stopping: Stopping) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("no disk")
        stopping.wait(1000)

    with running(failing) as watched:
        wait_for(lambda: watched.failures)
        assert watched.problem() == "thread edge fails: OSError('no disk')"
        assert watched.status()["failing"]
        assert watched.stuck() is None


def test_a_thread_that_dies_says_of_what() -> None:
    def dying(stopping: Stopping) -> None:
        raise SystemExit("gone")

    with running(dying, may_end=True) as watched:
        assert watched.join(60)
        assert "edge has ended: SystemExit('gone')" in watched.stuck().what
