"""A handshake by hand, against a simulated PLC."""

from __future__ import annotations

from itertools import count

import pytest

from saec.errors import LinkError, MachineError
from saec.station.plc import ModbusPlc
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.station.plc.worker.hand_walk import HandAnswer, HandWalk
from saec.station.plc.worker.shown_signals import ShownSignals
from saec.station.simulated.modbus_peers import ModbusPlcMemory
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_program import PlcPart, PlcProgram


def settings(port: int) -> ModbusPlc:
    return ModbusPlc(name="press", line="cell", source="cam", host="127.0.0.1", port=port, timeout_s=5.0)


@pytest.mark.parametrize("answer", ["good", "defect", "fault"])
def test_a_walk_tells_each_step_and_answers_as_it_was_asked(answer: HandAnswer) -> None:
    memory = ModbusPlcMemory(settings(1), port=0)
    program = PlcProgram(iter([PlcPart("P-1")]))
    said: list[str] = []
    with PlcCycle(memory, program):
        HandWalk(settings(memory.port), count(7).__next__, said.append, step_s=30.0).walk(answer)
        tally = program.tally
    assert [line[:2] for line in said if line[0].isdigit()] == ["1.", "2.", "3.", "4.", "5."]
    assert any("number 7" in line and "part P-1" in line for line in said)
    assert tally.results == (answer != "fault")
    assert dict(tally.faults) == ({"NOT_JUDGED": 1} if answer == "fault" else {})
    assert tally.actuations == (answer == "defect")
    assert tally.violations() == {}


def test_a_walk_offers_no_second_trigger() -> None:
    """Ready that rises for a moment at the end would have the PLC trigger once more, and nobody answers."""
    memory = ModbusPlcMemory(settings(1), port=0)
    program = PlcProgram(iter([PlcPart("P-1"), PlcPart("P-2")]))
    told: list[bool] = []
    walk = HandWalk(settings(memory.port), count(7).__next__, lambda line: None, step_s=30.0)
    write = walk._way.write

    def watched(signals: StationSignals) -> None:
        told.append(signals.ready)
        write(signals)

    walk._way.write = watched  # type: ignore[method-assign]
    with PlcCycle(memory, program):
        walk.walk("good")
        tally = program.tally
    assert (tally.triggers, tally.results) == (1, 1)
    assert sum(now and not before for before, now in zip([False, *told], told, strict=False)) == 1


def test_a_walk_says_what_is_missing() -> None:
    memory = ModbusPlcMemory(settings(1), port=0)
    try:
        walk = HandWalk(settings(memory.port), count(1).__next__, lambda line: None, step_s=0.05)
        with pytest.raises(MachineError, match=r"nothing came within 0\.05 s; the PLC tells: trigger 0"):
            walk.walk("good")
    finally:
        memory.close()
    with pytest.raises(LinkError, match="cannot be reached"):
        HandWalk(settings(memory.port), count(1).__next__, lambda line: None, step_s=0.05).walk("good")


def test_a_walk_shows_each_signal_with_its_address_when_it_changes() -> None:
    memory = ModbusPlcMemory(settings(1), port=0)
    program = PlcProgram(iter([PlcPart("P-1", recipe=7)]))
    said: list[str] = []
    own = settings(memory.port)
    with PlcCycle(memory, program):
        HandWalk(own, count(7).__next__, said.append, step_s=30.0).walk("good")
    places = own.read_places()
    for name in ("trigger", "acknowledge"):  # from the first reading to the last
        shown = [line for line in said if line.startswith(f"   {name} ({places[name]})")]
        assert shown == [f"   {name} ({places[name]}) = {value}" for value in (0, 1, 0)]
    assert f"   part ({places['part']}) = P-1" in said
    assert f"   recipe ({places['recipe']}) = 7" in said
    assert sum(line.startswith("   heartbeat") for line in said) <= 2


def test_a_walk_says_when_a_signal_that_it_read_cannot_be_right() -> None:
    shown = ShownSignals({"trigger": "c0", "part": "h10"})
    assert shown.changes(None) == ["   the PLC has told nothing yet"]
    assert shown.changes(None) == []
    assert shown.changes(PlcSignals(bad="part is no text")) == [
        "   trigger (c0) = 0",
        '   part (h10) = ""',
        "   part is no text",
    ]
    assert shown.changes(PlcSignals(part="A", heartbeat=3)) == ["   part (h10) = A"]
