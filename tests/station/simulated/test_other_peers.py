"""The simulated PLC over S7 and OPC UA, against the station's own ways and its handshake."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from saec.errors import MachineError
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.s7.s7_settings import S7Plc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.simulated.opcua_peer import OpcUaPlcClient, OpcUaPlcMemory
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes
from saec.station.simulated.s7_peer import S7PlcMemory
from saec.station.simulated.wire import Wire
from tests.station.simulated.bare_station import BareStation

TIMES = PlcTimes(heartbeat=0.02, silent=0.5)
MISTAKES = MistakeShares(double_trigger=0.15, half_written=0.1, restart=0.1, dead_session=0.05)
READS = {name: f"ns=2;s=plc_{name}" for name in msgspec.structs.asdict(PlcAddresses()) if name != "check"}
WRITES = {name: f"ns=2;s=own_{name}" for name in msgspec.structs.asdict(StationAddresses())}
del WRITES["check"]


def opcua(**reads: str) -> OpcUaPlc:
    return OpcUaPlc(
        name="plc",
        line="l",
        source="s",
        address="opc.tcp://127.0.0.1:4840",
        timeout_s=0.3,
        reads=PlcAddresses(**{**READS, **reads}),
        writes=StationAddresses(**WRITES),
    )


def joined(way: str) -> tuple[PlcSettings, PlcPeer]:
    """Settings of a station, and the PLC that they reach."""
    if way == "opcua":
        peer = OpcUaPlcMemory(opcua(), port=0)
        return msgspec.structs.replace(opcua(), address=peer.address), peer
    one = S7Plc(name="plc", line="l", source="s", host="127.0.0.1", timeout_s=0.3)
    blocks = S7PlcMemory(one, port=0)
    return msgspec.structs.replace(one, port=blocks.port), blocks


def served() -> tuple[PlcSettings, PlcPeer]:
    """Settings of a station with a server of its own, and the PLC that is its client."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"opc.tcp://127.0.0.1:{port}"
    given = {"name": "plc", "line": "l", "source": "s", "role": "server", "timeout_s": 0.3}
    one = msgspec.convert({"kind": "opcua", "address": address, **given}, OpcUaPlc)
    return one, OpcUaPlcClient(one)


@pytest.mark.parametrize("way", ["opcua", "opcua server", "s7"])
def test_every_part_has_its_own_answer_whatever_goes_wrong(way: str) -> None:
    settings, peer = served() if way == "opcua server" else joined(way)
    parts = (PlcPart(f"P{number:05}") for number in range(24))
    program = PlcProgram(parts, times=TIMES, mistakes=MISTAKES, seed=2)
    with BareStation(settings), PlcCycle(peer, program) as cycle:
        assert cycle.wait(90)
    assert program.tally.triggers == 24
    assert program.tally.open == 0
    assert program.tally.notes == []
    assert len(program.tally.mistakes) >= 2


def test_a_node_that_a_simulated_plc_cannot_have_is_named() -> None:
    with pytest.raises(MachineError, match='"Trigger"'):
        OpcUaPlcMemory(opcua(trigger='ns=3;s="Trigger"'), port=0)


@pytest.mark.parametrize("way", ["opcua", "opcua server", "s7"])
def test_a_part_that_is_half_written_has_a_result_or_a_fault(way: str) -> None:
    settings, peer = served() if way == "opcua server" else joined(way)
    torn = MistakeShares(half_written=1.0)
    program = PlcProgram((PlcPart(f"P{n:05}") for n in range(20)), times=TIMES, mistakes=torn, seed=2)
    with BareStation(settings), PlcCycle(peer, program) as cycle:
        assert cycle.wait(90)
    assert program.tally.triggers == 20
    assert program.tally.notes == []
    assert program.tally.violations() == {}


@pytest.mark.parametrize("make", [OpcUaPlcMemory, OpcUaPlcClient])
def test_no_plc_with_a_certificate_is_played(make: type[OpcUaPlcMemory | OpcUaPlcClient]) -> None:
    secure = msgspec.structs.replace(opcua(), security="Basic256Sha256")
    with pytest.raises(MachineError, match="no certificate"):
        make(secure)


def test_a_simulated_plc_lets_in_the_user_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame")
    one = msgspec.structs.replace(opcua(), user="saec", password_file=tmp_path / "password")
    peer = OpcUaPlcMemory(one, port=0)
    way = msgspec.structs.replace(one, address=peer.address).make_way(lambda: None)
    way.open()
    assert not way.read().trigger
    way.close()
    with pytest.raises(MachineError):
        msgspec.structs.replace(opcua(), address=peer.address).make_way(lambda: None).open()
    peer.close()


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MachineError, match=rf"nothing can listen on 127\.0\.0\.1:{port} .*name another"):
            Wire(1, port=port)
