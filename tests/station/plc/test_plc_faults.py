"""A simulated PLC that errs on purpose, and a cloud that is late: one answer for each trigger."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.plc import ModbusPlc
from saec.station.plc.signals import PlcResult, ResultLabel, StationSignals
from saec.station.simulated.modbus_peers import ModbusPlcClient, ModbusPlcMemory
from saec.station.simulated.modbus_registers import ModbusRegisters
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes
from saec.station.station import Station
from saec.station.storage.records import NewFrame
from tests.station.plc.plc_bench import CLIENT, PlcBench, until
from tests.station.station_fakes import DEFECT, GOOD, UNSURE, FakeLinkCloud, png

PARTS = 25
ERRS = MistakeShares(lost_acknowledge=0.1, double_trigger=0.1, half_written=0.1, restart=0.2)
TIMES = PlcTimes(give_up=8.0, heartbeat=0.01, down=0.02)


def part(n: int) -> str:
    return f"{'D' if n % 3 == 0 else 'G'}{n:06d}-{n:06d}"


class Camera:
    """Takes a picture for each trigger: a defect's where the part's id says so."""

    def __init__(self, bench: PlcBench) -> None:
        self._bench, self._over = bench, threading.Event()
        self.refused: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            station = self._bench.station
            trigger = station.triggers.wait_for(CLIENT, 0.02)
            if trigger is not None:
                self._take(station, trigger.part)

    def _take(self, station: Station, of: str) -> None:
        frame = NewFrame(
            line="cell", source=CLIENT, key=f"{time.time_ns()}", suffix=".png", captured=time.time()
        )
        try:
            station.accept(frame, png(DEFECT if of.startswith("D") else GOOD))
        except Exception as e:  # the trigger was given up, or this station has stopped
            self.refused.append(repr(e))

    def end(self) -> None:
        self._over.set()
        self._thread.join(30)


class Seen:
    """A wire, and each answer that went over it by its number."""

    def __init__(self, peer: PlcPeer) -> None:
        self._peer, self.answers = peer, dict[int, tuple[bool, PlcResult]]()
        self.write, self.silence, self.close = peer.write, peer.silence, peer.close

    def read(self) -> StationSignals | None:
        seen = self._peer.read()
        if (
            seen is not None
            and seen.result is not None
            and seen.result_valid != (seen.fault and not seen.busy)
        ):
            answer = seen.result_valid, seen.result
            assert self.answers.setdefault(seen.result.number, answer) == answer
        return seen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["client", "server"])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[PlcBench, Seen]]:
    role, port = request.param, free_port()
    plc = ModbusPlc(name="press", line="cell", source=CLIENT, host="127.0.0.1", port=port, role=role)
    wire: Any = ModbusPlcMemory(plc) if role == "client" else ModbusPlcClient(plc)
    with ModbusRegisters() as unused:
        bench = PlcBench(tmp_path, monkeypatch, unused, role=role, port=port, acknowledge_s=0.1)
        yield bench, Seen(wire)
        bench.station.stop()


def test_each_trigger_has_one_answer_whatever_the_plc_does(site: tuple[PlcBench, Seen]) -> None:
    bench, wire = site
    camera = Camera(bench)
    program = PlcProgram(map(PlcPart, map(part, range(PARTS))), times=TIMES, mistakes=ERRS, seed=5)
    with PlcCycle(wire, program) as cycle:
        until(lambda: program.tally.triggers > PARTS // 2)
        bench.restart()
        assert cycle.wait(90)
    camera.end()
    tally = program.tally
    assert tally.violations() == {}, (tally.notes, camera.refused)
    assert tally.triggers == PARTS
    assert tally.open == 0
    assert tally.results > PARTS // 3
    for valid, result in wire.answers.values():
        expected = ResultLabel.DEFECT if result.part.startswith("D") else ResultLabel.GOOD
        assert result.label is (expected if valid else ResultLabel.NONE)


def test_a_late_cloud_neither_holds_an_answer_up_nor_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeLinkCloud()
    cloud.gate = threading.Event()
    with ModbusRegisters() as registers:
        bench = PlcBench(tmp_path, monkeypatch, registers, cloud=cloud, line_s=2.0)
        try:
            bench.trigger("A")
            receipt = bench.picture(png(UNSURE, green=5))
            told = bench.answer()
            assert told.result_valid
            spool = bench.station.spool
            assert list(spool.verdicts(receipt.seq)) == ["provisional"]
            first = spool.verdicts(receipt.seq)["provisional"].label
            assert told.result.label is (ResultLabel.DEFECT if first else ResultLabel.GOOD)
            cloud.gate.set()
            until(lambda: "final" in spool.verdicts(receipt.seq))
            assert bench.shown().result == told.result
            bench.acknowledge()
            counts = bench.station.status()["plcs"]["press"]["counts"]
            assert counts == {"trigger": 1, "result": 1}
        finally:
            cloud.gate.set()
            bench.station.stop()
