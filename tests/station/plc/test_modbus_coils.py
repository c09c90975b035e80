"""Over Modbus the station's four bits change in one request, whether they lie in a register or in coils."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from saec.station.plc.modbus_client import ModbusClientWay
from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.signal_mapping import BITS, StationAddresses
from saec.station.plc.signals import FaultCode, PlcResult, ResultLabel, StationSignals
from saec.station.simulated.modbus_registers import ModbusRegisters

RESULT = PlcResult(number=7, label=ResultLabel.NONE, part="A")
READY = StationSignals(ready=True, heartbeat=1)
BUSY = StationSignals(busy=True, heartbeat=2, result=RESULT)
REFUSING = StationSignals(busy=True, fault=True, code=FaultCode.NOT_READY, heartbeat=3, result=RESULT)
FAILED = StationSignals(fault=True, code=FaultCode.NO_PICTURE, heartbeat=4, result=RESULT)
JUDGED = StationSignals(result_valid=True, heartbeat=5, result=RESULT)
LOW = StationSignals(heartbeat=6, result=RESULT)
ROUND = (READY, BUSY, FAILED, LOW, READY, BUSY, JUDGED, LOW, READY, BUSY, REFUSING, BUSY, JUDGED, LOW, READY)

MAPPINGS = [
    {"ready": "c4", "busy": "c5", "result_valid": "c6", "fault": "c7"},
    {"fault": "c4", "ready": "c5", "result_valid": "c6", "busy": "c7"},
    {"busy": "c4", "ready": "c5", "heartbeat": "c6", "result_valid": "c7", "fault": "c8"},
    {"ready": "h100.0", "busy": "h100.15", "result_valid": "h100.2", "fault": "h100.3"},
    {"busy": "h99.0", "fault": "h100.3"},
    {"busy": "h100.0", "ready": "h100.1", "fault": "h102.0", "code": "h125"},  # the heartbeat is between
]


@pytest.fixture
def plc() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as made:
        yield made


def settings(port: int, **writes: str) -> ModbusPlc:
    given = StationAddresses(**writes)
    return ModbusPlc(name="cell", line="l", source="s", host="127.0.0.1", port=port, writes=given)


def shown(
    plc: ModbusRegisters, one: ModbusPlc, cells: dict[tuple[str, int], int]
) -> Iterator[tuple[bool, ...]]:
    """Ready, Busy, Result valid and Fault after each request of the station, which also changes ``cells``."""
    for write in plc.writes:
        table = "c" if write.function in (5, 15) else "h"
        cells |= {(table, write.address + i): int(value) for i, value in enumerate(write.values)}
        places = [one.write_addresses()[name] for name in BITS]
        yield tuple(bool(cells.get((p.table, p.first), 0) >> (p.bit or 0) & 1) for p in places)
    plc.writes.clear()


@pytest.mark.parametrize("writes", MAPPINGS)
def test_no_request_shows_bits_that_no_step_of_the_handshake_has(
    plc: ModbusRegisters, writes: dict[str, str]
) -> None:
    one = settings(plc.port, **writes)
    assert list(one.faults()) == []
    way = ModbusClientWay(one)
    way.open()
    way.write(READY)
    cells: dict[tuple[str, int], int] = {}
    list(shown(plc, one, cells))
    for before, after in pairwise(ROUND):
        way.write(after)
        allowed = [tuple(getattr(signals, bit) for bit in BITS) for signals in (before, after)]
        seen = list(shown(plc, one, cells))
        assert seen[-1] == allowed[1]
        assert set(seen) <= set(allowed), (before, after)
    way.close()


@pytest.mark.parametrize(
    ("writes", "role", "told"),
    [
        ({"ready": "c4", "busy": "c5", "result_valid": "c6", "fault": "c8"}, "client", True),
        ({"fault": "c4"}, "client", True),
        ({"busy": "h90.0", "ready": "h90.1"}, "client", True),
        ({"busy": "h90.0", "ready": "h90.1"}, "server", False),  # the PLC reads them
    ],
)
def test_bits_that_need_two_requests_are_refused(writes: dict[str, str], role: str, told: bool) -> None:
    given = StationAddresses(**writes)
    one = ModbusPlc(name="cell", line="l", source="s", host="h", role=role, writes=given)  # type: ignore[arg-type]
    found = [(key, what, remedy) for key, what, remedy in one.faults() if "one request" in what]
    assert bool(found) is told
    for key, _, remedy in found:
        assert key == "writes"
        assert "side by side" in remedy
