"""The PLC's program against the station's real handshake, on a clock of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from saec.station.plc.handshake import HandshakeLimits
from saec.station.plc.signals import FaultCode, PlcResult, PlcSignals, ResultLabel, StationSignals
from saec.station.simulated.dry_machine import DryMachine, DryTimes
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_program import PlcPart, PlcPhase, PlcProgram, PlcTimes
from saec.station.simulated.plc_tally import PlcTally

LIMITS = HandshakeLimits(
    picture=0.1, deadline=0.2, acknowledge=0.2, release=0.05, silence=0.3, heartbeat_range=65_536
)
TIMES = PlcTimes(give_up=2.0, heartbeat=0.05, silent=0.05)
ALL = MistakeShares(
    lost_acknowledge=0.05, double_trigger=0.05, half_written=0.05, restart=0.1, dead_session=0.05
)


def parts(count: int) -> Iterator[PlcPart]:
    return (PlcPart(f"P{number:06}", recipe=1 + number % 3) for number in range(count))


def every_third(part: str) -> ResultLabel:
    return ResultLabel.DEFECT if int(part[1:]) % 3 == 0 else ResultLabel.GOOD


def played(
    count: int, mistakes: MistakeShares | None = None, times: DryTimes | None = None, kills: float = 0.0
) -> tuple[PlcTally, DryMachine]:
    """A run to the end; the station is killed at a share of all cycles."""
    plc = PlcProgram(parts(count), times=TIMES, mistakes=mistakes)
    machine, chance = DryMachine(plc, LIMITS, times, every_third), random.Random(5)
    while not plc.ended:
        machine.tick()
        if chance.random() < kills:
            machine.kill_station()
        assert machine.now < 10.0 * count, "the machine stands still"
    return plc.tally, machine


def test_each_trigger_of_a_run_without_faults_has_its_result_and_a_defect_moves_the_gate_once() -> None:
    tally, machine = played(300)
    assert (tally.triggers, tally.results, tally.actuations) == (300, 300, 100)
    assert tally.violations() == {}
    assert not tally.faults
    assert machine.events == {"trigger": 300, "result": 300}
    assert tally.quantile(0.5) == pytest.approx(0.034, abs=0.01)  # 10 ms picture, 20 ms judging, cycles


def test_a_camera_without_pictures_is_a_fault_each_time() -> None:
    tally, _ = played(5, times=DryTimes(picture=None))
    assert tally.faults == {"NO_PICTURE": 5}
    assert tally.results == tally.actuations == 0
    assert tally.violations() == {}


def test_a_trigger_without_an_answer_is_told_in_words() -> None:
    plc, now = PlcProgram(parts(1), times=TIMES), 0.0
    while not plc.tally.unanswered:
        plc.scan(StationSignals(ready=True, recipe=1), now)
        now += 0.01
        assert now < 30.0, "the PLC waits for ever"
    assert plc.tally.notes == [
        "trigger 1 of P000000 has no answer; the station tells: Ready = 1, Busy = 0, ResultValid = 0, "
        "Fault = 0, fault code 0 (none), recipe 1, no result yet"
    ]


@pytest.mark.parametrize(
    ("mistakes", "event"),
    [
        (MistakeShares(lost_acknowledge=1.0), "not-acknowledged"),
        (MistakeShares(double_trigger=1.0), "double-trigger"),
        (MistakeShares(restart=1.0), "plc-restart"),
        (MistakeShares(half_written=1.0), "double-trigger"),
    ],
)
def test_what_goes_wrong_is_counted_and_harms_no_other_part(mistakes: MistakeShares, event: str) -> None:
    tally, machine = played(30, mistakes)
    assert machine.events[event] >= 29
    assert tally.mistakes.total() >= 29
    assert tally.violations() == {}
    assert tally.open == 0


def test_a_silent_link_ends_in_the_same_result() -> None:
    tally, _ = played(30, MistakeShares(dead_session=1.0))
    assert tally.results == tally.mistakes["dead-session"] == 30
    assert tally.violations() == {}


def test_thousands_of_triggers_with_every_fault_and_a_station_that_is_killed() -> None:
    tally, machine = played(3000, ALL, kills=0.005)
    assert tally.triggers == 3000
    assert tally.open == 0
    assert tally.violations() == {}
    assert tally.faults["INTERRUPTED"] > 50
    assert tally.mistakes.keys() == {
        "lost-acknowledge",
        "double-trigger",
        "half-written",
        "restart-busy",
        "restart-answered",
        "dead-session",
    }
    assert {"not-acknowledged", "double-trigger", "plc-restart", "withdrawn"} <= machine.events.keys()


# what a station must never do is found


class Played:
    """A PLC's program, and a station that a test plays."""

    def __init__(self) -> None:
        self.now, self.plc = 0.0, PlcProgram(parts(10), times=PlcTimes(torn=0.0))

    def see(self, **station: Any) -> PlcSignals:
        self.now += 0.01
        return self.plc.scan(StationSignals(**station), self.now)

    def triggered(self) -> PlcSignals:
        self.see()
        told = self.see(ready=True)
        assert not told.trigger  # the values go first
        told = self.see(ready=True)
        assert told.trigger
        return told


def result(number: int, part: str = "P000000", label: ResultLabel = ResultLabel.DEFECT) -> PlcResult:
    return PlcResult(number=number, label=label, part=part)


def test_a_result_is_acknowledged_and_the_next_part_waits_for_ready() -> None:
    played = Played()
    told = played.triggered()
    assert (told.part, told.number, told.recipe) == ("P000000", 1, 1)
    told = played.see(result_valid=True, result=result(7))
    assert (told.trigger, told.acknowledge) == (False, True)
    told = played.see(result=result(7))
    assert (told.trigger, told.acknowledge) == (False, False)
    assert played.plc.phase is PlcPhase.IDLE
    assert not played.see(result=result(7)).trigger
    assert played.plc.tally.actuations == 1


def test_a_second_result_for_a_part_under_another_number_is_a_double_actuation() -> None:
    played = Played()
    played.triggered()
    for number in (7, 8):
        played.see(result_valid=True, result=result(number))
        played.see(result=result(number))
    assert played.plc.tally.violations() == {"double actuations": 1, "results that nobody asked for": 1}


def test_the_same_number_again_moves_no_gate() -> None:
    played = Played()
    played.triggered()
    for _ in range(2):
        played.see(result_valid=True, result=result(7))
        played.see(result=result(7))
    assert (played.plc.tally.actuations, played.plc.tally.repeats) == (1, 1)
    assert played.plc.tally.violations() == {}


def test_a_result_of_another_part_is_found() -> None:
    played = Played()
    played.triggered()
    played.see(result_valid=True, result=result(7, part="P000009"))
    assert played.plc.tally.violations() == {"wrong parts": 1}
    assert played.plc.tally.actuations == 0


def test_a_station_that_never_answers_is_found() -> None:
    played = Played()
    played.triggered()
    for _ in range(1100):
        played.see(busy=True, result=result(7))
    assert played.plc.tally.violations() == {"triggers without an answer": 1}


def test_a_refused_edge_is_taken_back_by_reset() -> None:
    played = Played()
    played.triggered()
    assert played.see(busy=True, fault=True, code=FaultCode.NOT_READY, result=result(7)).reset
    assert not played.see(busy=True, result=result(7)).reset


def test_a_parts_recipe_is_written_before_the_station_is_ready_for_it() -> None:
    plc = PlcProgram(iter([PlcPart("P0", recipe=7)]), times=TIMES)
    none, known = StationSignals(recipe=0), StationSignals(ready=True, recipe=7)
    told = [plc.scan(none, 0.01 * cycle) for cycle in range(5)]
    assert told[-1].recipe == 7
    assert not told[-1].trigger
    told += [plc.scan(known, 0.05 + 0.01 * cycle) for cycle in range(2)]
    assert (told[-1].trigger, told[-1].recipe, told[-1].part) == (True, 7, "P0")


def test_a_recipe_that_the_station_does_not_take_ends_in_a_trigger_whose_fault_says_why() -> None:
    plc = PlcProgram(iter([PlcPart("P0", recipe=9), PlcPart("P1", recipe=7)]), times=TIMES)
    other = StationSignals(recipe=0)
    waited = [plc.scan(other, 0.01 * cycle).trigger for cycle in range(round(TIMES.recipe / 0.01))]
    assert not any(waited)
    after = [plc.scan(other, TIMES.recipe + 0.01 * cycle) for cycle in range(1, 5)]
    assert any(signals.trigger and signals.recipe == 9 for signals in after)
