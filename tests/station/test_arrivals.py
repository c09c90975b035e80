"""What can be in time is judged first; nothing is judged twice or left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saec.station.line.arrivals import Arrivals


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_frames_in_time_go_before_those_that_are_late() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    arrivals.add_late(1)
    arrivals.add(2, clock.now - 0.95)
    arrivals.add(3, clock.now - 0.5)
    clock.now += 0.1
    order = []
    while (entry := arrivals.next(0.0)) is not None:
        order.append(entry[0])
        arrivals.done(entry[0], 0.0)
    assert order == [3, 1, 2]


def test_a_frame_for_which_the_time_left_is_too_short_is_late() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    for seq in range(60):  # each takes a tenth of a second
        arrivals.add(seq, clock.now)
        assert arrivals.next(0.0) == (seq, clock.now)
        arrivals.done(seq, 0.1)
    arrivals.add(100, clock.now - 0.85)
    arrivals.add(101, clock.now)
    assert arrivals.next(0.0) == (101, clock.now)


def test_a_frame_that_is_not_done_is_given_again() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    arrivals.add(1, clock.now)
    assert arrivals.next(0.0) == arrivals.next(0.0) == (1, clock.now)
    arrivals.add(2, clock.now)
    clock.now += 5
    assert arrivals.next(0.0) == (1, clock.now - 5)


@given(st.lists(st.tuples(st.sampled_from(["add", "late", "judge", "wait"]), st.floats(0, 2)), max_size=60))
def test_whatever_happens_each_frame_is_judged_once(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    added, judged = 0, []

    def judge() -> bool:
        entry = arrivals.next(0.0)
        if entry is not None:
            judged.append(entry[0])
            arrivals.done(entry[0], 0.01)
        return entry is not None

    for what, seconds in events:
        if what == "wait":
            clock.now += seconds
        elif what == "judge":
            judge()
        else:
            added += 1
            arrivals.add_late(added) if what == "late" else arrivals.add(added, clock.now - seconds)
    while judge():
        pass
    assert sorted(judged) == list(range(1, added + 1))
