"""A whole station: a PLC over Modbus TCP, and Aravis' fake camera that takes the pictures.

It needs Debian's packages libaravis-0.8-0 and aravis-tools-cli.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from saec.station.http.station_metrics import metrics_text
from saec.station.plc.signals import FaultCode
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.simulated.modbus_registers import ModbusRegisters
from saec.station.sources import IndustrialSource
from saec.station.station import Station
from saec.station.storage.records import SpoolLimits
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from tests.station.cameras.test_aravis_fake_camera import FAKE, plugged
from tests.station.plc.plc_bench import PlcBench, until
from tests.station.station_fakes import NO_GUARD

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(FAKE is None, reason="apt install libaravis-0.8-0 aravis-tools-cli"),
]


class CameraBench(PlcBench):
    """A PLC whose pictures an industrial camera takes."""

    def made(self) -> Station:
        self.plc = msgspec.structs.replace(self.plc, source="eye")
        eye = IndustrialSource(
            name="eye",
            line="cell",
            backend="aravis",
            camera="SAEC1",
            trigger="software",
            pixel_format="Mono8",
        )
        settings = StationSettings(
            station=StationSection(data=self.folder / "data", page=False),
            line=[
                LineSettings(name="cell", profile=self.folder / "profile", deadline_s=20.0, guard=NO_GUARD)
            ],
            source=[eye],
            plc=[self.plc],
            spool=SpoolLimits(free_gb=0),
        )
        station = Station(settings, cloud_for=lambda _: ())
        station.start()
        return station

    @property
    def eye(self) -> str:
        return self.station.sources["eye"].state


@pytest.fixture
def registers() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as held:
        yield held


def test_each_trigger_has_a_picture_and_a_lost_camera_is_a_fault_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registers: ModbusRegisters
) -> None:
    with plugged() as fake:
        bench = CameraBench(tmp_path, monkeypatch, registers)
        try:
            until(lambda: bench.eye == "connected")
            for number in range(1, 11):
                bench.trigger(f"P-{number}")
                told = bench.answer()
                assert (told.result_valid, told.code, told.result.number) == (True, FaultCode.NONE, number)
                assert told.result.part == f"P-{number}"
                bench.acknowledge()
            fake.unplug()
            bench.trigger("gone")
            assert bench.answer().code is FaultCode.NO_PICTURE
            bench.acknowledge()
            until(lambda: bench.eye == "lost")
            fake.plug()
            until(lambda: bench.eye == "connected", 60.0)
            bench.trigger("back")
            told = bench.answer()
            assert (told.result_valid, told.result.part) == (True, "back")
            shown = metrics_text(
                bench.station, AdmissionControl(bench.station.settings.http, Tokens(None), "127.0.0.1:0")
            )
            assert b'saec_pictures_total{source="eye",what="missed"}' in shown
            captures = [
                verdict.capture
                for seq in range(1, 12)
                for verdict in bench.station.spool.verdicts(seq).values()
            ]
            assert [one.trigger for one in captures if one] == [*range(1, 11), 12]
            assert all(one is not None and one.number and one.camera_time for one in captures)
        finally:
            bench.station.stop()
