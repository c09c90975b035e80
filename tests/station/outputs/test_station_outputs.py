"""A whole station: a light barrier, a picture, a verdict and a reject gate, over Modbus TCP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saec import edge
from saec.station.http.station_metrics import metrics_text
from saec.station.outputs.couplers.coupler_settings import ModbusCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.setup.settings_warnings import warnings
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.station import Station
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, Receipt, SpoolLimits
from saec.types import Capture, VerdictRecord
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FakeDetector, make_line
from tests.station.outputs.output_bench import OutputBench, gate
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, png

CLIENT = "http:cam"
COILS, HELD = RegisterTable.COILS, 15


def until(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    """Until something holds that another thread brings about."""
    tick, left = threading.Event(), seconds
    while not ready():
        tick.wait(0.002)
        left -= 0.002
        assert left > 0


@pytest.fixture
def device() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as device:
        yield device


def settings_of(folder: Path, port: int, *, delay: float | None = None) -> StationSettings:
    return StationSettings(
        station=StationSection(data=folder / "data", page=False),
        line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)],
        coupler=[ModbusCoupler(name="io", host="127.0.0.1", port=port, timeout_s=5.0, poll_ms=1.0)],
        output=[
            gate(delay_s=delay, verdict_s=30.0, tolerance_s=30.0, pulse_s=0.02),
            OutputSettings(name="lamp", coupler="io", address="c1", on=["ready"]),
        ],
        input=[
            InputSettings(
                name="eye",
                coupler="io",
                address="d0",
                use="trigger",
                line="cell",
                source=CLIENT,
                picture_s=30.0,
                debounce_s=0.0,
            )
        ],
        spool=SpoolLimits(free_gb=0),
    )


@pytest.fixture
def begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: ModbusRegisters
) -> Iterator[Callable[..., Station]]:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    make_line(tmp_path / "profile")
    begun: list[Station] = []

    def station(**given: float) -> Station:
        begun.append(Station(settings_of(tmp_path, device.port, **given), cloud_for=lambda _: ()))
        begun[-1].start()
        until(lambda: device.read(COILS, 1) == [1])
        return begun[-1]

    yield station
    begun[-1].stop()  # a test has stopped those before it


def passes(station: Station, device: ModbusRegisters) -> None:
    """A part passes the light barrier."""
    counts = station.status()["couplers"]["io"]["inputs"]["eye"]["counts"]
    before = counts.get("triggers", 0)
    device.write(RegisterTable.DISCRETE_INPUTS, 0, [1])
    until(
        lambda: station.status()["couplers"]["io"]["inputs"]["eye"]["counts"].get("triggers", 0) == before + 1
    )
    device.write(RegisterTable.DISCRETE_INPUTS, 0, [0])
    until(lambda: station.status()["couplers"]["io"]["inputs"]["eye"]["on"] is False)


def picture(station: Station, red: int) -> Receipt:
    frame = NewFrame(line="cell", source=CLIENT, key=f"{time.time_ns()}", suffix=".png", captured=time.time())
    return station.accept(frame, png(red))


def outcomes(station: Station) -> dict[str, int]:
    counts = station.status()["couplers"]["io"]["outputs"]["gate"]["counts"]
    return {name: n for name, n in counts.items() if n}


def pulses(device: ModbusRegisters) -> int:
    """How often the gate went on."""
    levels = [write.values[0] for write in device.writes if write.function == HELD]
    return sum(after > before for before, after in zip([0, *levels], levels, strict=False))


def test_a_part_that_passes_the_light_barrier_is_rejected_once_by_its_own_verdict(
    begin: Callable[..., Station], device: ModbusRegisters
) -> None:
    station = begin()
    for red in (DEFECT, GOOD, DEFECT):
        passes(station, device)
        seq = picture(station, red).seq
        frame = station.spool.frame(seq)
        assert frame is not None
        assert frame.capture is not None
        assert frame.capture.plc == "input:eye"
        until(lambda seq=seq: station.spool.acted(seq) is not None)  # type: ignore[misc]
        until(lambda: station.status()["couplers"]["io"]["outputs"]["gate"]["pending"] == 0)
        until(lambda: device.read(COILS, 0) == [0])
    assert outcomes(station) == {"pulsed": 2, "passed": 1}
    assert pulses(device) == 2
    admission = AdmissionControl(station.settings.http, Tokens(None), "127.0.0.1:0")
    text = metrics_text(station, admission).decode()
    for said in (
        'saec_coupler{coupler="io",state="up"} 1.0',
        'saec_output_parts_total{outcome="pulsed",output="gate"} 2.0',
        'saec_output_on{output="lamp"} 1.0',
        'saec_input_events_total{event="pictures",input="eye"} 3.0',
    ):
        assert said in text
    assert station.states()["couplers"] == {"io": "up"}


def test_a_stop_leaves_outputs_safe_and_the_next_start_says_what_was_lost_and_moves_nothing(
    begin: Callable[..., Station], device: ModbusRegisters
) -> None:
    station = begin(delay=300.0)
    for _ in range(3):
        passes(station, device)
        seq = picture(station, DEFECT).seq
        until(lambda seq=seq: station.spool.acted(seq) is not None)  # type: ignore[misc]
    assert station.status()["couplers"]["io"]["outputs"]["gate"]["pending"] == 3
    station.stop()
    assert device.read(COILS, 0, 2) == [0, 0]
    station = begin(delay=300.0)
    until(lambda: any(alarm.kind == "output-lost" for alarm in station.spool.alarms()))
    (alarm,) = [alarm for alarm in station.spool.alarms() if alarm.kind == "output-lost"]
    assert "3 parts were on their way" in alarm.text
    assert outcomes(station) == {"lost": 3}
    assert pulses(device) == 0


def test_a_coupler_without_a_watchdog_is_warned_of(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, 502)
    assert ["coupler io" in warning for warning in warnings(settings)] == [True]


def test_the_verdict_on_a_part_acts_at_the_view_before_the_gate(tmp_path: Path) -> None:
    bench = OutputBench(
        tmp_path, [gate(source="front", delay_s=1.0)], parts=PartRules(views=2, within_s=60.0)
    )
    seqs = []
    for source, capture in (("back", None), ("front", Capture(plc="press", trigger=4))):
        frame = NewFrame(
            line="cell",
            source=source,
            key=source,
            suffix=".png",
            captured=time.time(),
            part="A1",
            capture=capture,
        )
        if capture is not None:
            bench.part(("press", 4), source=source)
        seqs.append(bench.spool.accept(frame, source.encode()).seq)
        bench.all.accepted(frame, seqs[-1], bench.clock.now)
    for seq, label in zip(seqs, (1, 0), strict=True):
        told = VerdictRecord(id=f"cell-{seq:010}", path="", sha256="", line="cell", time=1.0, label=label)
        bench.spool.decide(seq, "final", told)
    bench.turn()
    assert bench.turn(1.01) == {"gate": True}, "the front is good, and the part is not"
    assert bench.counts() == {"pulsed": 1}
    bench.close()


def test_a_part_that_is_decided_before_the_station_goes_on_acts_at_its_trigger(tmp_path: Path) -> None:
    bench = OutputBench(tmp_path, [gate(delay_s=1.0)], parts=PartRules(views=2, within_s=60.0))
    frames = [
        NewFrame(
            line="cell",
            source="camera",
            key=str(trigger),
            suffix=".png",
            captured=time.time(),
            part="A1",
            capture=Capture(plc="press", trigger=trigger),
        )
        for trigger in (4, 5)
    ]
    for trigger in (4, 5):
        bench.part(("press", trigger))
    seqs = [bench.spool.accept(frame, frame.key.encode()).seq for frame in frames]
    for seq in seqs:
        told = VerdictRecord(id=f"cell-{seq:010}", path="", sha256="", line="cell", time=1.0, label=1)
        bench.spool.decide(seq, "final", told)
    for frame, seq in zip(frames, seqs, strict=True):  # another thread was faster than this one
        bench.all.accepted(frame, seq, bench.clock.now)
    bench.turn()
    assert bench.turn(1.01) == {"gate": True}
    assert bench.counts() == {"pulsed": 2}
    bench.close()
