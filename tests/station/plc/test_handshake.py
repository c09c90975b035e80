"""The handshake: step by step, and over random traces with the station killed at any write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.station.plc.handshake import Handshake, HandshakeLimits, HandshakeStep, TriggerNews
from saec.station.plc.signals import FaultCode, PlcResult, PlcSignals, ResultLabel, StationSignals

LIMITS = HandshakeLimits(picture=1.0, deadline=2.0, acknowledge=5.0, release=0.25, settle=0.1, silence=2.0)


def signals(**given: Any) -> PlcSignals:
    return msgspec.structs.replace(PlcSignals(part="A"), **given)


class Driven:
    """A handshake with a clock of its own, and a PLC that a test plays."""

    def __init__(self, limits: HandshakeLimits = LIMITS) -> None:
        self.now, self.events = 0.0, [""]
        self.handshake = Handshake(limits, count(1).__next__)
        self.note(self.handshake.begin(None, signals(), 0.0))

    def note(self, step: HandshakeStep) -> HandshakeStep:
        self.events += step.events
        return step

    def see(
        self,
        seconds: float = 0.01,
        able: FaultCode = FaultCode.NONE,
        news: TriggerNews | None = None,
        **seen: Any,
    ) -> StationSignals:
        """One reading; a trigger that must settle is read twice."""
        self.now += seconds
        step = self.note(self.handshake.step(signals(**seen), self.now, able=able, news=news))
        if step.again:
            return self.see(0.0, able, news, **seen)
        return step.signals

    def result(self, number: int, part: str = "A") -> TriggerNews:
        return TriggerNews(
            number=number, pictured=True, result=PlcResult(number=number, label=ResultLabel.GOOD, part=part)
        )

    def busy(self, **seen: Any) -> StationSignals:
        assert self.see().ready
        now = self.see(trigger=True, **seen)
        assert now.busy
        assert not now.ready
        return now

    def answered(self, **seen: Any) -> StationSignals:
        number = self.busy(**seen).result.number
        return self.see(trigger=True, news=self.result(number), **seen)


def test_a_trigger_goes_through_its_four_phases() -> None:
    plc = Driven()
    taken = plc.busy()
    assert taken.result == PlcResult(number=1, label=ResultLabel.NONE, part="A")
    told = plc.see(trigger=True, news=plc.result(1))
    assert told.result_valid
    assert not told.busy
    assert told.result.label is ResultLabel.GOOD
    assert plc.see(trigger=True, news=plc.result(1)) == told
    read = plc.see(acknowledge=True)
    assert not read.result_valid
    assert not read.ready
    assert plc.see().ready
    assert plc.events[1:] == ["trigger", "result"]
    assert plc.busy().result.number == 2


def test_values_that_change_between_two_readings_are_read_again() -> None:
    plc = Driven()
    plc.see()
    first = plc.handshake.step(signals(trigger=True, part="\0B"), 0.02)
    assert first.again
    assert first.signals.ready
    second = plc.handshake.step(signals(trigger=True, part="AB"), 0.021)
    assert second.again
    third = plc.handshake.step(signals(trigger=True, part="AB"), 0.022)
    assert third.begun == 1
    assert third.signals.result.part == "AB"


def test_values_must_stay_the_same_for_as_long_as_it_is_asked() -> None:
    plc = Driven(msgspec.structs.replace(LIMITS, stable=0.006))
    plc.see()
    seen = [("A", 0.020), ("A", 0.024), ("AB", 0.025), ("AB", 0.030), ("AB", 0.0311)]
    steps = [plc.handshake.step(signals(trigger=True, part=part), now) for part, now in seen]
    assert [step.begun for step in steps] == [None, None, None, None, 1]
    assert all(step.again for step in steps[:-1])


def test_values_that_never_rest_are_a_fault() -> None:
    plc = Driven()
    plc.see()
    step, now = plc.handshake.step(signals(trigger=True), 0.02), 0.02
    while step.again and now < 1.0:
        now += 0.01
        step = plc.handshake.step(signals(trigger=True, part=str(now)), now)
    assert step.signals.fault
    assert step.signals.code is FaultCode.BAD_SIGNAL
    assert now < 0.2


def test_what_cannot_be_right_is_a_fault() -> None:
    plc = Driven()
    plc.see()
    told = plc.see(trigger=True, bad="the part is no text")
    assert (told.fault, told.code, told.result.number) == (True, FaultCode.BAD_SIGNAL, 1)


@pytest.mark.parametrize("able", [FaultCode.UNKNOWN_RECIPE, FaultCode.STOPPED, FaultCode.NOT_READY])
def test_a_trigger_that_cannot_be_taken_has_its_fault(able: FaultCode) -> None:
    plc = Driven()
    assert not plc.see(able=able).ready
    told = plc.see(trigger=True, able=able)
    assert (told.fault, told.code, told.busy) == (True, able, False)
    plc.see(acknowledge=True, able=able)
    assert plc.see().ready


def test_no_picture_and_no_result_are_faults_in_time() -> None:
    plc = Driven()
    number = plc.busy().result.number
    assert plc.see(0.9, trigger=True).busy
    told = plc.see(0.2, trigger=True)
    assert (told.code, told.result.number, told.result.label) == (
        FaultCode.NO_PICTURE,
        number,
        ResultLabel.NONE,
    )
    plc.see(acknowledge=True)
    number = plc.busy().result.number
    assert plc.see(1.5, trigger=True, news=TriggerNews(number=number, pictured=True)).busy
    late = plc.see(0.6, trigger=True, news=plc.result(number))
    assert (late.fault, late.code) == (True, FaultCode.NO_RESULT)
    assert plc.see(trigger=True, news=plc.result(number)) == late


def test_a_result_of_an_earlier_trigger_is_none_of_this_one() -> None:
    plc = Driven()
    plc.busy()
    plc.see(1.1, trigger=True)
    plc.see(acknowledge=True)
    assert plc.busy().result.number == 2
    assert plc.see(trigger=True, news=plc.result(1)).busy


def test_an_acknowledge_that_is_lost_is_counted_and_nothing_is_judged_again() -> None:
    plc = Driven()
    plc.answered()
    assert plc.see(4.9, trigger=True).result_valid
    assert not plc.see(0.2, trigger=True).result_valid
    assert not plc.see(9.0, trigger=True).ready
    assert plc.see().ready
    assert plc.events[1:] == ["trigger", "result", "not-acknowledged"]


def test_an_answer_that_a_plc_could_not_read_has_its_time_anew() -> None:
    plc = Driven()
    plc.answered()
    plc.handshake.resume(plc.now + 60.0)
    assert plc.see(60.1, trigger=True).result_valid
    assert not plc.see(5.1, trigger=True).result_valid


def test_an_acknowledge_that_stayed_high_is_none_of_the_next_result() -> None:
    plc = Driven()
    plc.see()
    told = plc.see(trigger=True, acknowledge=True)
    assert (told.fault, told.code) == (True, FaultCode.NOT_READY)
    assert plc.see(trigger=True, acknowledge=True).fault
    plc.see(trigger=True)
    assert not plc.see(acknowledge=True).fault


def test_a_second_trigger_of_the_same_part_is_refused_and_harms_nothing() -> None:
    plc = Driven()
    number = plc.busy().result.number
    assert plc.see().busy
    refused = plc.see(trigger=True)
    assert (refused.busy, refused.fault, refused.code) == (True, True, FaultCode.NOT_READY)
    told = plc.see(trigger=True, news=plc.result(number))
    assert (told.result_valid, told.fault, told.code, told.result.number) == (
        True,
        False,
        FaultCode.NONE,
        number,
    )
    assert "double-trigger" in plc.events


@pytest.mark.parametrize("seen", [{"part": "B"}, {"part": ""}, {"number": 8}])
def test_a_second_trigger_of_what_may_be_another_part_ends_the_first(seen: dict[str, Any]) -> None:
    plc = Driven()
    plc.busy(number=7)
    plc.see()
    told = plc.see(**{"trigger": True, **seen, **({} if "number" in seen else {"number": None})})
    assert (told.fault, told.busy, told.code) == (True, False, FaultCode.NOT_READY)
    assert not plc.see(trigger=True, news=plc.result(1)).result_valid


def test_a_second_trigger_while_a_result_stands_takes_the_result_away_first() -> None:
    plc = Driven()
    plc.answered()
    assert plc.see().result_valid
    between = plc.see(trigger=True, part="B")
    assert not between.result_valid
    assert not between.fault
    told = plc.see(trigger=True, part="B")
    assert (told.fault, told.code, told.result.part, told.result.number) == (
        True,
        FaultCode.NOT_READY,
        "B",
        2,
    )


def test_a_trigger_that_falls_unacknowledged_takes_the_result_away() -> None:
    plc = Driven()
    plc.answered()
    assert plc.see().result_valid
    assert not plc.see(0.3).result_valid
    assert plc.events[-1] == "withdrawn"
    number = plc.busy().result.number
    plc.see()
    gone = plc.see(news=plc.result(number))
    assert not gone.result_valid
    assert plc.events[-1] == "withdrawn"


def test_trigger_may_fall_a_moment_before_acknowledge_rises() -> None:
    plc = Driven()
    plc.answered()
    assert plc.see(0.1).result_valid
    assert not plc.see(0.1, acknowledge=True).result_valid
    assert "withdrawn" not in plc.events


@pytest.mark.parametrize(
    ("first", "second", "lost"), [(500, 3, True), (65535, 1, False), (7, 9000, False), (7, 40000, True)]
)
def test_a_heartbeat_that_jumps_is_a_restart_of_the_plc(first: int, second: int, lost: bool) -> None:
    plc = Driven(msgspec.structs.replace(LIMITS, heartbeat_range=65536))
    plc.see(heartbeat=first - 1)
    plc.see(heartbeat=first)
    plc.see(trigger=True, heartbeat=first)
    told = plc.see(trigger=True, heartbeat=second, news=plc.result(1))
    assert told.fault is lost
    assert told.result_valid is not lost
    assert ("plc-restart" in plc.events) is lost


def test_a_heartbeat_that_stops_takes_ready_and_answers_away() -> None:
    plc = Driven()
    assert not plc.see(heartbeat=0).ready, "a first value may be an old one"
    assert plc.see(heartbeat=1).ready
    assert not plc.see(2.5, heartbeat=1).ready
    assert plc.events[-1] == "plc-silent"
    assert plc.see(heartbeat=2).ready
    assert plc.see(trigger=True, heartbeat=3).busy
    assert plc.see(trigger=True, heartbeat=3, news=plc.result(1)).result_valid
    assert not plc.see(2.5, trigger=True, heartbeat=3).result_valid


def test_a_station_that_stops_says_so_of_the_trigger_under_way() -> None:
    plc = Driven()
    plc.busy()
    told = plc.handshake.stop(plc.now).signals
    assert (told.ready, told.busy, told.fault, told.code) == (False, False, True, FaultCode.INTERRUPTED)


# over restarts of the station


def begun(standing: StationSignals | None, **seen: Any) -> HandshakeStep:
    return Handshake(LIMITS, count(100).__next__).begin(standing, signals(**seen), 0.0)


def test_a_trigger_that_was_under_way_is_interrupted_under_its_number() -> None:
    held = PlcResult(number=42, label=ResultLabel.NONE, part="A")
    step = begun(StationSignals(busy=True, result=held), trigger=True)
    assert (step.signals.fault, step.signals.code, step.signals.result.number) == (
        True,
        FaultCode.INTERRUPTED,
        42,
    )


def test_a_result_that_stands_is_left_until_it_is_acknowledged() -> None:
    held = PlcResult(number=42, label=ResultLabel.GOOD, part="A")
    handshake = Handshake(LIMITS, count(100).__next__)
    step = handshake.begin(StationSignals(result_valid=True, result=held), signals(trigger=True), 0.0)
    assert step.signals.result_valid
    assert step.signals.result == held
    assert not handshake.step(signals(acknowledge=True), 0.1).signals.result_valid
    assert handshake.step(signals(), 0.2).signals.ready


def test_a_trigger_on_a_ready_that_was_left_standing_is_interrupted_under_a_new_number() -> None:
    held = PlcResult(number=42, label=ResultLabel.GOOD, part="Z")
    for standing in (StationSignals(ready=True, result=held), None):
        step = begun(standing, trigger=True)
        assert (step.signals.code, step.signals.result.number, step.signals.result.part) == (
            FaultCode.INTERRUPTED,
            100,
            "A",
        )


def test_a_trigger_that_crossed_the_end_of_the_station_is_interrupted_at_its_next_start() -> None:
    plc = Driven()
    plc.answered()
    plc.see(acknowledge=True)
    assert plc.see().ready
    left = plc.handshake.stop(plc.now).signals
    assert not left.ready
    step = begun(left, trigger=True)
    assert (step.signals.code, step.signals.result.number) == (FaultCode.INTERRUPTED, 100)
    assert not begun(left).signals.fault


def test_a_trigger_whose_answer_was_withdrawn_is_not_answered_again() -> None:
    held = PlcResult(number=42, label=ResultLabel.GOOD, part="A")
    step = begun(StationSignals(result=held), trigger=True)
    assert not step.signals.fault
    assert not step.signals.ready


# random traces

PARTS = ("A", "B", "")
SEEN = st.builds(
    PlcSignals,
    trigger=st.booleans(),
    acknowledge=st.booleans(),
    reset=st.booleans(),
    heartbeat=st.sampled_from([None, 1, 2, 60000]),
    part=st.sampled_from(PARTS),
    number=st.sampled_from([None, 1, 2]),
    bad=st.sampled_from(["", "", "", "no text"]),
)
MOVE = st.tuples(
    SEEN,
    st.sampled_from([0.001, 0.02, 0.3, 1.1, 3.0]),
    st.sampled_from([FaultCode.NONE, FaultCode.NONE, FaultCode.NOT_READY, FaultCode.UNKNOWN_RECIPE]),
    st.sampled_from(["", "picture", "result", "fault", "old"]),
    st.sampled_from([None, None, None, None, 0, 1, 2]),
)
"""What is read, seconds since, why nothing can be taken, what became of the trigger, and after which part of
the write the station is killed."""


def written(before: StationSignals, after: StationSignals) -> Iterator[StationSignals]:
    """The signals as a PLC may see them: after the values, the rising and the falling bits."""
    bits = ("ready", "busy", "result_valid", "fault")
    old = {bit: msgspec.structs.asdict(before)[bit] for bit in bits}
    new = {bit: msgspec.structs.asdict(after)[bit] for bit in bits}
    yield msgspec.structs.replace(after, **old)
    yield msgspec.structs.replace(after, **{bit: old[bit] or new[bit] for bit in bits})
    yield after


class Traced:
    """A station that is killed and started again, and all that a PLC could see of it."""

    def __init__(self) -> None:
        self.numbers, self.now = count(1), 0.0
        self.limits = msgspec.structs.replace(LIMITS, heartbeat_range=65536)
        self.shown = [StationSignals()]
        self.handshake = Handshake(self.limits, self.numbers.__next__)
        self.fresh = True
        self.parts: dict[int, str] = {}
        self.events: list[str] = []

    def move(
        self, seen: PlcSignals, seconds: float, able: FaultCode, became: str, killed: int | None
    ) -> None:
        self.now += seconds
        if seconds == 1.1:
            self.handshake.resume(self.now)
        if self.fresh:
            step = self.handshake.begin(self.shown[-1], seen, self.now)
        else:
            step = self.handshake.step(seen, self.now, able=able, news=self.news(became))
        self.fresh = False
        self.events += step.events
        if step.begun is not None:
            self.parts[step.begun] = seen.part
        if step.signals.result_valid and not self.shown[-1].result_valid:
            assert seen.trigger, "a result rises only for a PLC that asks"
        states = list(written(self.shown[-1], step.signals))
        self.shown += states if killed is None else states[:killed]
        if killed is not None:
            self.handshake, self.fresh = Handshake(self.limits, self.numbers.__next__), True

    def news(self, became: str) -> TriggerNews | None:
        number = self.handshake.number
        if not became or number is None:
            return None
        told = number - 1 if became == "old" else number
        result = PlcResult(number=told, label=ResultLabel.DEFECT, part=self.parts.get(told, "?"))
        return TriggerNews(
            number=told,
            pictured=True,
            result=result if became in ("result", "old") else None,
            fault=FaultCode.NOT_JUDGED if became == "fault" else FaultCode.NONE,
        )


def answer(shown: StationSignals) -> int | None:
    """Number of the trigger that an answer stands for."""
    return (
        shown.result.number
        if shown.result and (shown.result_valid or (shown.fault and not shown.busy))
        else None
    )


def check(traced: Traced) -> None:
    answers: dict[int, int] = {}
    highest = 0
    for before, after in zip(traced.shown, traced.shown[1:], strict=False):
        if before.result_valid and after.result_valid:
            assert before.result == after.result, "a result that stands does not change"
        if (number := answer(after)) is not None and answer(before) != number:
            answers[number] = answers.get(number, 0) + 1
        if after.result_valid:
            assert after.result.label is ResultLabel.DEFECT
            assert after.result.part == traced.parts[after.result.number]
        if after.result is not None:
            assert after.result.number >= highest, "numbers rise"
            highest = after.result.number
    assert all(times == 1 for times in answers.values()), "one answer a number"


@settings(max_examples=400, deadline=None)
@given(st.lists(MOVE, max_size=40))
def test_whatever_a_plc_does_a_number_has_one_answer_and_no_other_part_s(
    moves: list[tuple[PlcSignals, float, FaultCode, str, int | None]],
) -> None:
    traced = Traced()
    for move in moves:
        traced.move(*move)
    check(traced)


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVE, max_size=25), st.sampled_from(["result", "fault", "picture", ""]))
def test_after_whatever_went_before_a_plc_that_keeps_the_rules_has_its_answer(
    moves: list[tuple[PlcSignals, float, FaultCode, str, int | None]], became: str
) -> None:
    traced = Traced()
    for move in moves:
        traced.move(*move)
    beats = count(1)

    def see(**given: Any) -> StationSignals:
        seen = PlcSignals(part="new", heartbeat=next(beats) % 65536, **given)
        traced.move(seen, 0.1, FaultCode.NONE, became, None)
        return traced.shown[-1]

    for _ in range(60):
        if see().ready:
            break
    else:
        pytest.fail("never ready")
    before = len(traced.shown)
    for _ in range(30):
        if answer(see(trigger=True)) is not None:
            break
    else:
        pytest.fail("never answered")
    told = traced.shown[-1]
    assert told.result.part == "new"
    assert told.result_valid is (became == "result")
    assert all(answer(shown) in (None, told.result.number) for shown in traced.shown[before:])
    assert answer(see(acknowledge=True)) is None
    assert see().ready
    check(traced)
