"""A station with a PLC whose registers a test plays, and pictures that a test gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec import edge
from saec.frame.judges import Cloud
from saec.settings import CloudConfig
from saec.station.plc import ModbusPlc
from saec.station.plc.modbus_codec import RegisterCodec
from saec.station.plc.signal_mapping import station_signals
from saec.station.plc.signal_types import CHECK_VALUE, SignalValue
from saec.station.plc.signals import StationSignals
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.station import Station
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, Receipt, SpoolLimits
from tests.run_fakes import FakeDetector, make_line
from tests.station.station_fakes import NO_GUARD, FakeLinkCloud

CLIENT = "http:cam"


def until(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    """Until something holds that another thread brings about."""
    tick, left = threading.Event(), seconds
    while not ready():
        tick.wait(0.002)
        left -= 0.002
        assert left > 0


class PlcBench:
    """A station and the registers of its PLC; the station can be ended and begun anew.

    Args:
        registers: the PLC's.
        parts: the rules by which the line makes a verdict on parts.
        cloud: who is asked about what the edge is not sure of; None is nobody.
        line_s: the line's deadline, in seconds.
        first: the line has a version from the start.
        given: settings of the [[plc]] that are others.
    """

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        registers: ModbusRegisters,
        parts: PartRules | None = None,
        *,
        cloud: FakeLinkCloud | None = None,
        line_s: float = 20.0,
        first: bool = True,
        **given: Any,
    ) -> None:
        self._cloud, self._line_s, self._first = cloud, line_s, first
        monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        if not (folder / "profile").exists():
            make_line(folder / "profile")
        self.parts = parts or PartRules()
        self.registers, self.folder, self.pictures = registers, folder, 0
        self.plc = ModbusPlc(
            name="press", line="cell", source=CLIENT, host="127.0.0.1", port=registers.port, timeout_s=5.0
        )
        self.plc = msgspec.structs.replace(self.plc, **{"picture_s": 30.0, "deadline_s": 30.0, **given})
        self.told: dict[str, SignalValue] = {
            "trigger": False,
            "acknowledge": False,
            "reset": False,
            "heartbeat": 0,
            "recipe": 0,
            "number": 0,
            "part": "",
            "check": CHECK_VALUE,
        }
        order = self.plc.word_order, self.plc.byte_order
        self.codec = RegisterCodec(self.plc.read_addresses(), *order)
        self.station_codec = RegisterCodec(self.plc.write_addresses(), *order)
        self.station = self.made()

    def made(self) -> Station:
        settings = StationSettings(
            station=StationSection(data=self.folder / "data", page=False),
            line=[
                LineSettings(
                    name="cell",
                    profile=self.folder / "profile" if self._first else None,
                    deadline_s=self._line_s,
                    guard=NO_GUARD,
                    parts=self.parts,
                )
            ],
            plc=[self.plc],
            spool=SpoolLimits(free_gb=0),
        )
        held = Cloud(CloudConfig(model="fake", references=1))
        held.__dict__["engine"] = self._cloud
        station = Station(settings, cloud_for=lambda _: () if self._cloud is None else (held,))
        station.start()
        return station

    def restart(self) -> None:
        self.station.stop()
        self.station = self.made()

    def tell(self, **values: SignalValue) -> None:
        """The PLC writes its signals, and its heartbeat goes on."""
        self.told = {**self.told, **values, "heartbeat": (int(self.told["heartbeat"]) + 1) % 65536}
        for (_, address), word in sorted(self.codec.cells(self.told).items(), reverse=True):
            self.registers.write(RegisterTable.HOLDING, address, [word])

    def shown(self) -> StationSignals:
        """The station's signals in the PLC's registers."""
        held = self.registers.read(RegisterTable.HOLDING, 100, 30)
        values, bad = self.station_codec.decode({("h", 100 + i): word for i, word in enumerate(held)})
        assert not bad
        return station_signals(values)

    def wait(self, ready: Callable[[StationSignals], bool], *, beating: bool = True) -> StationSignals:
        """Until the station's signals are so; the PLC lives meanwhile."""
        end = time.monotonic() + 30
        while not ready(shown := self.shown()):
            assert time.monotonic() < end, (shown, self.station.status()["plcs"])
            if beating:
                self.tell()
        return shown

    def trigger(self, part: str = "A") -> StationSignals:
        """Wait for Ready, then ask."""
        self.wait(lambda shown: shown.ready)
        self.tell(part=part)
        self.tell(trigger=True)
        return self.wait(lambda shown: shown.busy)

    def picture(self, data: bytes) -> Receipt:
        self.pictures += 1
        frame = NewFrame(
            line="cell", source=CLIENT, key=f"{time.time_ns()}", suffix=".png", captured=time.time()
        )
        return self.station.accept(frame, data)

    def answer(self) -> StationSignals:
        return self.wait(lambda shown: not shown.busy and (shown.result_valid or shown.fault))

    def acknowledge(self) -> StationSignals:
        self.tell(acknowledge=True, trigger=False)
        self.wait(lambda shown: not shown.result_valid and not shown.fault)
        self.tell(acknowledge=False)
        return self.wait(lambda shown: shown.ready)
