"""What can be in time is judged first; nothing is judged twice or left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saec.station.line.arrivals import AnswerTimes, Arrival, Arrivals


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
        order.append(entry.seq)
        arrivals.observe(0.0)
    assert order == [3, 1, 2]


def test_a_frame_for_which_the_time_left_is_too_short_is_late() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    for seq in range(60):  # each takes a tenth of a second
        arrivals.add(seq, clock.now)
        assert arrivals.next(0.0) == Arrival(seq, clock.now)
        arrivals.observe(0.1)
    arrivals.add(100, clock.now - 0.85)
    arrivals.add(101, clock.now)
    assert arrivals.next(0.0) == Arrival(101, clock.now)


def test_a_frame_that_could_not_be_looked_at_comes_again_and_holds_nobody() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    arrivals.add(1, clock.now)
    arrivals.add(2, clock.now)
    arrivals.retry(taken(arrivals))
    assert taken(arrivals).seq == 2
    assert arrivals.next(0.0) is None
    clock.now += 0.1
    arrivals.add(3, clock.now)
    first = taken(arrivals)
    assert (first.seq, first.tries) == (1, 1), "it can still be in time, and came before"
    arrivals.retry(first)
    assert taken(arrivals).seq == 3
    pauses = []
    for _ in range(14):
        begun = clock.now
        while (entry := arrivals.next(0.0)) is None:
            clock.now += 0.05
        pauses.append(clock.now - begun)
        arrivals.retry(entry)
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert 29 < pauses[-1] < 31


def test_suspects_wait_until_no_other_frame_does() -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    arrivals.add_suspect(1)
    arrivals.add_late(2)
    arrivals.add(3, clock.now)
    order = [taken(arrivals) for _ in range(3)]
    assert [(entry.seq, entry.suspect) for entry in order] == [(3, False), (2, False), (1, True)]
    arrivals.retry(order[2])
    arrivals.add_late(4)
    clock.now += 1
    assert [taken(arrivals).seq for _ in range(2)] == [4, 1]


def taken(arrivals: Arrivals) -> Arrival:
    entry = arrivals.next(0.0)
    assert entry is not None
    return entry


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "late", "suspect", "judge", "again", "wait"]), st.floats(0, 2)),
        max_size=60,
    )
)
def test_whatever_happens_each_frame_is_judged_once(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    arrivals = Arrivals(1.0, clock)
    added, judged = 0, []

    def judge() -> bool:
        entry = arrivals.next(0.0)
        if entry is not None:
            judged.append(entry.seq)
            arrivals.observe(0.01)
        return entry is not None

    for what, seconds in events:
        if what == "wait":
            clock.now += seconds
        elif what == "judge":
            judge()
        elif what == "again":
            if (entry := arrivals.next(0.0)) is not None:
                arrivals.retry(entry)
        else:
            added += 1
            if what == "add":
                arrivals.add(added, clock.now - seconds)
            else:
                arrivals.add_late(added) if what == "late" else arrivals.add_suspect(added)
    clock.now += 100
    while judge():
        pass
    assert sorted(judged) == list(range(1, added + 1))


def test_what_the_line_waited_for_is_told_by_its_kind() -> None:
    answers = AnswerTimes(kept=3)
    assert answers.quantiles("judging") is None
    for n, late in ((900, True), (1, False), (2, False), (3, True)):
        answers.add({"answer": 10.0 * n, "judging": 1.0 * n, "waiting": 9.0 * n, "edge": 7.0}, late=late)
    assert answers.late == 2  # of all; the times are of the last
    assert answers.quantiles("answer") == {"p50": 20.0, "p95": 30.0, "p99": 30.0}
    assert answers.quantiles("judging") == {"p50": 2.0, "p95": 3.0, "p99": 3.0}
    assert answers.quantiles("waiting") == {"p50": 18.0, "p95": 27.0, "p99": 27.0}
