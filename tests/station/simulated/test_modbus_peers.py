"""The simulated PLC over Modbus, against the station's own ways and its handshake."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec
import pytest

from saec.errors import MachineError
from saec.station.plc.modbus_client import ModbusClientWay
from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.signal_mapping import PlcAddresses
from saec.station.plc.signals import PlcSignals
from saec.station.simulated.modbus_peers import ModbusPlcClient, ModbusPlcMemory
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes
from tests.station.simulated.bare_station import BareStation

TIMES = PlcTimes(heartbeat=0.02, silent=0.15, bounce=0.02)
MISTAKES = MistakeShares(double_trigger=0.1, half_written=0.1, restart=0.1, dead_session=0.1)


def settings(port: int, role: str = "client") -> ModbusPlc:
    given = {"kind": "modbus", "name": "plc", "line": "l", "source": "s", "host": "127.0.0.1", "port": port}
    return msgspec.convert({**given, "role": role, "timeout_s": 0.1}, ModbusPlc)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(params=["client", "server"])
def machine(request: pytest.FixtureRequest) -> Iterator[tuple[PlcPeer, BareStation]]:
    """A PLC and a station, each in the role of the test."""
    one = settings(free_port(), request.param)
    peer: PlcPeer = ModbusPlcMemory(one) if request.param == "client" else ModbusPlcClient(one)
    with BareStation(one) as station:
        yield peer, station


def test_every_part_has_its_own_result_over_the_wire(machine: tuple[PlcPeer, BareStation]) -> None:
    program = PlcProgram((PlcPart(f"P{n:05}", 1) for n in range(30)), times=TIMES)
    with PlcCycle(machine[0], program) as cycle:
        assert cycle.wait(60)
    assert (program.tally.results, program.tally.actuations) == (30, 10)
    assert program.tally.notes == []
    assert program.tally.violations() == {}
    assert machine[1].events == {"trigger": 30, "result": 30}


def test_mistakes_over_the_wire_harm_no_part(machine: tuple[PlcPeer, BareStation]) -> None:
    program = PlcProgram((PlcPart(f"P{n:05}") for n in range(40)), times=TIMES, mistakes=MISTAKES, seed=3)
    with PlcCycle(machine[0], program, cycle=0.001) as cycle:
        assert cycle.wait(90)
    assert program.tally.triggers == 40
    assert program.tally.open == 0
    assert program.tally.notes == []
    assert program.tally.violations() == {}
    assert len(program.tally.mistakes) >= 3


def test_another_word_order_is_found_by_the_check_value() -> None:
    one = msgspec.structs.replace(settings(1), reads=PlcAddresses(check="h50"))
    peer = ModbusPlcMemory(msgspec.structs.replace(one, word_order="little"), port=0)
    program = PlcProgram(iter([PlcPart("P00000")]))
    peer.write(PlcSignals())
    with PlcCycle(peer, program):
        way = ModbusClientWay(msgspec.structs.replace(one, port=peer.port))
        with pytest.raises(MachineError, match='word_order = "little"'):
            way.open()
