"""Progress where there is no terminal: lines now and then, none of quick work."""

from __future__ import annotations

from saec.cli.options.progress_bar import EVERY, Lines, tracked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_long_work_says_how_far_it_is_and_not_more_often_than_every_few_seconds() -> None:
    said: list[str] = []
    clock = Clock()
    lines = Lines(said.append, clock)
    for done in range(1, 301):
        clock.now += 1
        lines.report("features", done, 300)
    assert len(said) == 300 / EVERY
    assert said[0] == "features: 10 of 300"
    assert said[-1] == "features: 300 of 300"


def test_quick_work_says_nothing() -> None:
    said: list[str] = []
    lines = Lines(said.append, Clock())
    for done in range(100):
        lines.report("features", done, 100)
    assert said == []


def test_what_was_found_is_said_and_an_unknown_number_is_left_out() -> None:
    said: list[str] = []
    clock = Clock()
    lines = Lines(said.append, clock)
    clock.now += EVERY
    lines.report("gear: frames", 7, None, "2 defect")
    assert said == ["gear: frames: 7, 2 defect"]


def test_items_pass_as_they_are() -> None:
    assert list(tracked(iter("abc"), 3)) == ["a", "b", "c"]
