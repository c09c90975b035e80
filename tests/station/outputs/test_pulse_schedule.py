"""Each part ends once at an output, and a pulse is always that of the part at the point."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.station.outputs.pulse_schedule import EndedPart, Outcome, PulseRule, PulseSchedule

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("part"), st.integers(0, 40)),
        st.tuples(st.just("verdict"), st.integers(0, 40), st.booleans()),
        st.tuples(st.just("move"), st.floats(0, 3), st.booleans()),
        st.tuples(st.just("back"), st.floats(0, 1)),
        st.tuples(st.just("jump")),
    ),
    max_size=120,
)


def rule(
    delay: float | None = 2.0, *, late: bool = True, tolerance: float = 0.5, patience: float = 5.0
) -> PulseRule:
    return PulseRule(delay=delay, patience=patience, tolerance=tolerance, pulse=0.25, late=late)


def outcomes(ended: list[EndedPart]) -> list[tuple[object, str]]:
    return [(one.key, one.outcome.value) for one in ended]


@given(STEPS, st.booleans())
def test_each_part_ends_once_in_order_and_only_the_first_verdict_before_its_point_counts(
    steps: list[tuple[object, ...]], late: bool
) -> None:
    schedule = PulseSchedule(rule(late=late))
    position = now = 0.0
    points: dict[object, float] = {}
    verdicts: dict[object, bool] = {}
    ended: list[EndedPart] = []
    for what, *told in steps:
        if what == "part" and told[0] not in points:
            points[told[0]] = position + 2.0
            schedule.expect(told[0], position, now)
        elif what == "verdict" and told[0] not in {one.key for one in ended}:
            verdicts.setdefault(told[0], bool(told[1])) if told[0] in points else None
            if told[0] in points:
                schedule.judge(told[0], bool(told[1]))
        elif what == "back":
            position -= float(told[0])  # type: ignore[arg-type]
        elif what == "jump":
            schedule.jump()
        elif what == "move":
            position, now = position + float(told[0]), now + 1.0  # type: ignore[arg-type]
            new = schedule.step(position, now, able=bool(told[1]))
            began = False
            for one in new:
                assert one.outcome is Outcome.LOST or points[one.key] <= position
                over, wanted = position - points[one.key], verdicts.get(one.key)
                acts = late if wanted is None else wanted
                if one.outcome is Outcome.PULSED:
                    assert wanted
                    assert over <= 0.5
                if one.outcome is Outcome.PASSED:
                    assert wanted is False
                if one.outcome is Outcome.LATE:
                    assert wanted is None
                if one.outcome is Outcome.MISSED:
                    assert acts
                    assert over > 0.5 or not told[1]
                began |= acts and one.outcome in (Outcome.PULSED, Outcome.LATE)
            if began:
                assert schedule.active(now)
                assert schedule.active(now + 0.2)
            at_points = [points[one.key] for one in new if one.outcome is not Outcome.LOST]
            assert at_points == sorted(at_points)
            ended += new
    assert max(Counter(one.key for one in ended).values(), default=1) == 1
    schedule.jump()
    ended += schedule.step(position, now)
    assert {one.key for one in ended} == set(points)
    assert len(schedule) == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_a_killed_station_actuates_nothing_that_was_due(parts: list[tuple[bool, bool]]) -> None:
    """What begins anew knows no part of the one before, and a verdict alone moves nothing."""
    first = PulseSchedule(rule())
    for key, (judged, wanted) in enumerate(parts):
        first.expect(key, float(key), float(key))
        if judged:
            first.judge(key, wanted)
    second = PulseSchedule(rule())
    for key, (_, wanted) in enumerate(parts):
        second.judge(key, wanted)
    assert second.step(1e9, 1e9) == []
    assert not second.active(1e9)
    assert len(first) == len(parts)


def test_several_parts_are_under_way_and_each_has_its_pulse_at_its_point() -> None:
    schedule = PulseSchedule(rule(100, tolerance=5))
    for key, origin in enumerate((0, 30, 60)):
        schedule.expect(key, origin, 0.0)
    schedule.judge(2, True)
    schedule.judge(0, True)
    schedule.judge(1, False)
    assert schedule.step(99, 1.0) == []
    assert not schedule.active(1.0)
    assert outcomes(schedule.step(101, 2.0)) == [(0, "pulsed")]
    assert schedule.active(2.2)
    assert not schedule.active(2.3)
    assert outcomes(schedule.step(131, 3.0)) == [(1, "passed")]
    assert not schedule.active(3.0)
    assert outcomes(schedule.step(160, 4.0)) == [(2, "pulsed")]


@pytest.mark.parametrize("late", [True, False])
def test_a_part_without_a_verdict_at_its_point_has_the_stated_action_and_a_later_verdict_none(
    late: bool,
) -> None:
    schedule = PulseSchedule(rule(late=late))
    schedule.expect("a", 0.0, 0.0)
    assert outcomes(schedule.step(2.0, 2.0)) == [("a", "late")]
    assert schedule.active(2.1) is late
    schedule.judge("a", True)
    assert schedule.step(3.0, 3.0) == []
    assert not schedule.active(3.0)


@pytest.mark.parametrize("late", [True, False])
def test_without_a_delay_the_verdict_acts_at_once_and_patience_ends(late: bool) -> None:
    schedule = PulseSchedule(rule(None, late=late))
    schedule.expect("a", 0.0, 0.0)
    schedule.expect("b", 0.0, 1.0)
    schedule.judge("b", True)
    assert schedule.wake() == 0.0
    assert outcomes(schedule.step(0.0, 1.5)) == [("b", "pulsed")]
    assert schedule.active(1.6)
    assert outcomes(schedule.step(0.0, 5.1)) == [("a", "late")]
    assert schedule.active(5.2) is late


def test_a_verdict_that_comes_before_its_part_is_kept_for_it() -> None:
    schedule = PulseSchedule(rule())
    schedule.judge("a", True)
    schedule.expect("a", 0.0, 0.0)
    assert outcomes(schedule.step(2.0, 2.0)) == [("a", "pulsed")]


def test_after_a_jump_an_output_that_acts_on_late_parts_stays_on_until_the_last_has_passed() -> None:
    schedule = PulseSchedule(rule(100, tolerance=5))
    schedule.expect("a", 0, 0.0)
    schedule.expect("b", 40, 0.0)
    schedule.judge("a", False)
    schedule.jump()
    assert outcomes(schedule.step(50, 1.0)) == [("a", "lost"), ("b", "lost")]
    assert schedule.active(1.0)
    schedule.step(139, 9.0)
    assert schedule.active(9.0)
    schedule.step(141, 10.0)
    assert schedule.active(10.2)
    assert not schedule.active(10.3)


def test_a_part_of_unknown_place_is_lost_and_too_many_parts_lose_the_oldest() -> None:
    from saec.station.outputs.pulse_schedule import MOST_PARTS

    schedule = PulseSchedule(rule())
    schedule.expect("nowhere", None, 0.0)
    for key in range(MOST_PARTS + 1):
        schedule.expect(key, 0.0, 0.0)
    assert outcomes(schedule.step(0.0, 0.0)) == [("nowhere", "lost"), (0, "lost")]
    assert len(schedule) == MOST_PARTS
