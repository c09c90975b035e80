"""The station's own OPC UA server, with a PLC as its client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from saec.errors import LinkError, MachineError
from saec.station.plc.opcua.opcua_server_way import OpcUaServerWay
from saec.station.plc.opcua.opcua_session import OpcUaSession
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signals import ConfidenceClass, FaultCode, PlcResult, ResultLabel, StationSignals

RESULT = PlcResult(number=9, label=ResultLabel.DEFECT, confidence=ConfidenceClass.HIGH, kind=2, part="A-1")
ANSWERED = StationSignals(result_valid=True, recipe=4, result=RESULT)


@pytest.fixture(scope="module")
def settings() -> OpcUaPlc:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return OpcUaPlc(
        name="cell",
        line="bolts",
        source="cam",
        role="server",
        address=f"opc.tcp://127.0.0.1:{port}",
        silence_s=1e6,
    )


@pytest.fixture(scope="module")
def station(settings: OpcUaPlc) -> Iterator[OpcUaServerWay]:
    way = OpcUaServerWay(settings, lambda: None)
    way.open()
    yield way
    way.close()


@pytest.fixture
def plc(settings: OpcUaPlc, station: OpcUaServerWay) -> Iterator[OpcUaSession]:
    session = OpcUaSession(settings)
    session.open()
    yield session
    session.close()


def _read(plc: OpcUaSession, *names: str) -> list[Any]:
    return plc.read(plc.nodes([f"nsu=urn:saec:station;s={name}" for name in names]))


def _write(plc: OpcUaSession, **values: Any) -> None:
    nodes = plc.nodes([f"nsu=urn:saec:station;s=reads.{name}" for name in values])
    plc.write(list(zip(nodes, values.values(), strict=True)))


def test_the_settings_have_no_fault(settings: OpcUaPlc) -> None:
    assert list(settings.faults()) == []


def test_nothing_is_told_before_the_plc_has_written(station: OpcUaServerWay, plc: OpcUaSession) -> None:
    assert station.read() is None
    _write(plc, heartbeat=1)
    seen = station.read()
    assert seen is not None
    assert not seen.trigger


def test_what_a_client_writes_is_read_as_one(station: OpcUaServerWay, plc: OpcUaSession) -> None:
    _write(plc, trigger=True, part=" A-17 ", recipe=3, number=80_000, heartbeat=2)
    seen = station.read()
    assert seen is not None
    assert (seen.trigger, seen.part, seen.recipe, seen.number) == (True, "A-17", 3, 80_000)
    _write(plc, trigger=False, part="A\x07")
    seen = station.read()
    assert seen is not None
    assert seen.bad.startswith("part: ")


def test_a_client_reads_what_the_station_tells(station: OpcUaServerWay, plc: OpcUaSession) -> None:
    station.write(ANSWERED)
    told = _read(plc, "writes.result_valid", "writes.number", "writes.label", "writes.kind", "writes.part")
    assert told == [True, 9, 2, 2, "A-1"]


def test_a_client_writes_no_signal_of_the_station(plc: OpcUaSession) -> None:
    node = plc.nodes(["nsu=urn:saec:station;s=writes.label"])
    assert plc.may_write(node) == [False]
    with pytest.raises(MachineError, match="may not"):
        plc.write([(node[0], 1)])


def test_states_and_results_have_the_names_of_machine_vision(
    station: OpcUaServerWay, plc: OpcUaSession
) -> None:
    states = "vision.CurrentState", "vision.AutomaticModeStateMachine"
    steps: list[tuple[StationSignals, str]] = [
        (StationSignals(), "Initialized"),
        (StationSignals(ready=True), "Ready"),
        (StationSignals(busy=True, result=RESULT), "SingleExecution"),
        (ANSWERED, "SingleExecution"),
        (StationSignals(ready=True, result=RESULT), "Ready"),
    ]
    for signals, automatic in steps:
        station.write(signals)
        assert [text.Text for text in _read(plc, *states)] == ["Operational", automatic]
    told = _read(plc, "result.ResultId", "result.PartId", "result.InternalRecipeId", "result.ResultState")
    assert told == ["9", "A-1", "4", 1]


@pytest.mark.parametrize(("code", "state"), [(FaultCode.NO_PICTURE, 4), (FaultCode.INTERRUPTED, 3)])
def test_a_fault_is_a_result_that_failed(
    station: OpcUaServerWay, plc: OpcUaSession, code: FaultCode, state: int
) -> None:
    result = PlcResult(number=10 + state, label=ResultLabel.NONE, part="A-2")
    station.write(StationSignals(fault=True, code=code, result=result))
    assert _read(plc, "result.ResultState", "result.PartId") == [state, "A-2"]


def test_a_line_that_is_stopped_is_halted(station: OpcUaServerWay, plc: OpcUaSession) -> None:
    station.write(StationSignals(code=FaultCode.STOPPED))
    assert _read(plc, "vision.CurrentState")[0].Text == "Halted"


def test_an_old_trigger_is_none(settings: OpcUaPlc, station: OpcUaServerWay, plc: OpcUaSession) -> None:
    _write(plc, trigger=True)
    assert station.read() is not None
    gone = OpcUaServerWay(msgspec.structs.replace(settings, silence_s=1e-9), lambda: None)
    gone._heard, gone._told = station._heard, dict(station._told)
    assert gone.read() is None


def test_a_port_that_is_taken_is_said(settings: OpcUaPlc, station: OpcUaServerWay) -> None:
    with pytest.raises(MachineError, match="in use"):
        OpcUaServerWay(settings, lambda: None).open()


def test_a_server_that_was_closed_answers_nobody(settings: OpcUaPlc, station: OpcUaServerWay) -> None:
    station.close()  # the last test of this file
    station.close()
    with pytest.raises(LinkError):
        OpcUaSession(settings).open()
    with pytest.raises(MachineError, match="no server"):
        station.write(ANSWERED)
