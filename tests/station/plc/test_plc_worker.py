"""A whole station and a PLC's registers over Modbus TCP: triggers, faults, restarts, dead sessions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.errors import SpoolError
from saec.station.http.station_metrics import metrics_text
from saec.station.line.version_store import VersionStore
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.plc.signals import FaultCode, ResultLabel
from saec.station.plc.worker.plc_worker import AWAY, REFUSING, UP
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.storage.records import NewFrame
from saec.types import VerdictRecord
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from tests.station.plc.plc_bench import PlcBench, until
from tests.station.station_fakes import DEFECT, GOOD, png

Begin = Callable[..., PlcBench]


@pytest.fixture
def registers() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as held:
        yield held


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registers: ModbusRegisters) -> Iterator[Begin]:
    made: list[PlcBench] = []

    def bench(**given: Any) -> PlcBench:
        made.append(PlcBench(tmp_path, monkeypatch, registers, **given))
        return made[-1]

    yield bench
    for one in made:
        one.station.stop()


def test_each_trigger_has_the_result_of_its_own_picture(begin: Begin) -> None:
    bench = begin(kinds=["crack"])
    for number, (part, red, label) in enumerate(
        [
            ("P-1", GOOD, ResultLabel.GOOD),
            ("P-2", DEFECT, ResultLabel.DEFECT),
            ("P-3", GOOD, ResultLabel.GOOD),
        ],
        1,
    ):
        taken = bench.trigger(part)
        assert (taken.ready, taken.result.number, taken.result.label) == (False, number, ResultLabel.NONE)
        receipt = bench.picture(png(red))
        told = bench.answer()
        assert (told.result_valid, told.fault, told.code) == (True, False, FaultCode.NONE)
        assert (told.result.number, told.result.label, told.result.part) == (number, label, part)
        (verdict,) = bench.station.spool.verdicts(receipt.seq).values()
        assert (verdict.part, verdict.capture.plc, verdict.capture.trigger) == (part, "press", number)
        bench.acknowledge()
    status = bench.station.status()["plcs"]["press"]
    assert status["state"] == UP
    assert status["counts"] == {"trigger": 3, "result": 3}


def test_a_picture_that_comes_too_late_is_refused_and_is_not_the_next_trigger_s(begin: Begin) -> None:
    bench = begin(picture_s=0.05, drain_s=30.0)
    bench.trigger("late")
    told = bench.answer()
    assert (told.fault, told.code, told.result.label) == (True, FaultCode.NO_PICTURE, ResultLabel.NONE)
    bench.tell(acknowledge=True, trigger=False)
    bench.wait(lambda shown: not shown.fault)
    bench.tell(acknowledge=False)
    until(lambda: bench.station.status()["plcs"]["press"]["not_ready"] == "not_ready")
    assert bench.station.status()["plcs"]["press"]["phase"] == "waiting", "Ready is off until it is drained"
    late = f"the late picture of trigger {told.result.number}"
    assert bench.station.status()["plcs"]["press"]["waits_for"] == late
    with pytest.raises(SpoolError, match="no trigger waits"):
        bench.picture(png(DEFECT))
    assert bench.wait(lambda shown: shown.ready), "the late picture has come, so the source is drained"
    until(lambda: bench.station.status()["plcs"]["press"]["phase"] == "ready")
    status = bench.station.status()["plcs"]["press"]
    assert (status["strays"], status["not_ready"], status["waits_for"]) == (1, "", "")


def test_a_picture_that_is_older_than_its_trigger_is_refused(begin: Begin) -> None:
    bench = begin()
    bench.trigger()
    old = NewFrame(line="cell", source="http:cam", key="old", suffix=".png", captured=time.time() - 60)
    with pytest.raises(SpoolError, match="before its trigger"):
        bench.station.accept(old, png(GOOD))
    bench.picture(png(DEFECT))
    assert bench.answer().result.label is ResultLabel.DEFECT


def test_a_picture_that_came_before_under_its_key_is_no_trigger_s(begin: Begin) -> None:
    bench = begin()

    def same() -> NewFrame:
        return NewFrame(line="cell", source="http:cam", key="one", suffix=".png", captured=time.time())

    bench.trigger()
    bench.station.accept(same(), png(GOOD))
    assert bench.answer().result_valid
    bench.acknowledge()
    bench.trigger("B")
    bench.station.accept(same(), png(GOOD))
    assert bench.answer().code is FaultCode.NO_PICTURE


def test_a_verdict_that_comes_while_the_station_looks_for_it_is_the_answer(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = begin()
    spool = bench.station.spool
    acted = spool.acted

    def slowly(seq: int) -> VerdictRecord | None:
        found = acted(seq)
        if found is None:
            until(lambda: bool(spool.verdicts(seq)))
        return found

    monkeypatch.setattr(spool, "acted", slowly)
    bench.trigger("A")
    bench.picture(png(GOOD))
    told = bench.answer()
    assert (told.code, told.result.label, told.result.part) == (FaultCode.NONE, ResultLabel.GOOD, "A")


def test_a_frame_that_cannot_be_judged_is_a_fault(begin: Begin) -> None:
    bench = begin()
    bench.trigger()
    bench.picture(b"no image")
    assert bench.answer().code is FaultCode.NOT_JUDGED


def test_a_station_that_is_restarted_answers_the_trigger_under_way_as_interrupted(begin: Begin) -> None:
    bench = begin()
    number = bench.trigger().result.number
    bench.restart()
    told = bench.answer()
    assert (told.code, told.result.number) == (FaultCode.INTERRUPTED, number)
    bench.acknowledge()
    assert bench.trigger("B").result.number > number
    bench.picture(png(GOOD))
    assert bench.answer().result.part == "B"


def test_a_result_that_stands_outlives_the_station(begin: Begin) -> None:
    bench = begin()
    bench.trigger("A")
    bench.picture(png(DEFECT))
    before = bench.answer()
    bench.restart()
    until(lambda: bench.station.status()["plcs"]["press"]["phase"] == "answered")
    after = bench.shown()
    assert (after.result_valid, after.result) == (True, before.result)
    bench.acknowledge()


def test_a_dead_session_is_made_anew_and_the_trigger_answered(
    begin: Begin, registers: ModbusRegisters
) -> None:
    bench = begin(timeout_s=0.05, silence_s=30.0)
    bench.trigger("A")
    registers.silence()
    until(lambda: bench.station.machine.plcs["press"].state == AWAY)
    bench.picture(png(GOOD))
    registers.silence(False)
    told = bench.answer()
    assert (told.result_valid, told.result.part) == (True, "A")
    registers.hang_up()
    until(lambda: bench.station.machine.plcs["press"].state == AWAY)
    registers.listen()
    bench.acknowledge()
    until(lambda: bench.station.status()["plcs"]["press"]["phase"] == "ready")
    registers.hang_up()
    until(lambda: bench.station.status()["plcs"]["press"]["phase"] == "waiting")
    bench.station.machine.notes.write()
    assert {(a.kind, a.about) for a in bench.station.spool.alarms()} == {("plc", "press")}


def test_a_part_that_is_no_text_is_a_fault(begin: Begin, registers: ModbusRegisters) -> None:
    bench = begin()
    bench.wait(lambda shown: shown.ready)
    registers.write(RegisterTable.HOLDING, 10, [0xFFFE])
    registers.write(RegisterTable.HOLDING, 0, [1])
    told = bench.wait(lambda shown: shown.fault, beating=False)
    assert (told.code, told.result.part) == (FaultCode.BAD_SIGNAL, "")


def test_an_answer_whose_part_does_not_fit_its_signal_goes_without_it(begin: Begin) -> None:
    bench = begin(writes=StationAddresses(part="h109:string4"))
    bench.wait(lambda shown: shown.ready)
    bench.tell(part="much longer", trigger=True)
    bench.wait(lambda shown: shown.busy)
    bench.picture(png(DEFECT))
    told = bench.answer()
    assert (told.result.label, told.result.part) == (ResultLabel.DEFECT, "")


@pytest.mark.parametrize("words", [[0x0304, 0x0102], [1, 2]])
def test_a_wrong_order_of_words_is_found_before_the_first_trigger(
    begin: Begin, registers: ModbusRegisters, words: list[int]
) -> None:
    registers.write(RegisterTable.HOLDING, 40, words)
    bench = begin(reads=PlcAddresses(check="h40"))
    until(lambda: bench.station.machine.plcs["press"].state == REFUSING)
    error = bench.station.status()["plcs"]["press"]["error"]
    assert ('word_order = "little"' in error) is (words[0] == 0x0304)
    registers.write(RegisterTable.HOLDING, 40, [0x0102, 0x0304])
    bench.wait(lambda shown: shown.ready)


def test_signals_that_the_plc_does_not_have_are_named(begin: Begin) -> None:
    bench = begin(
        reads=PlcAddresses(
            trigger="h2000.0",
            acknowledge="h2000.1",
            heartbeat="h2001",
            recipe="",
            number="",
            part="",
            reset="",
        )
    )
    until(lambda: bench.station.machine.plcs["press"].state == REFUSING)
    assert (
        "refuses to read h2000 to h2001: it has no such address"
        in bench.station.status()["plcs"]["press"]["error"]
    )


def test_metrics_say_how_a_plc_fares(begin: Begin) -> None:
    bench = begin()
    bench.trigger()
    bench.picture(png(DEFECT))
    bench.answer()
    bench.acknowledge()
    admission = AdmissionControl(bench.station.settings.http, Tokens(None), "127.0.0.1:0")
    text = metrics_text(bench.station, admission).decode()
    assert 'saec_plc{plc="press",state="up"} 1.0' in text
    assert 'saec_plc_events_total{event="result",plc="press"} 1.0' in text


def test_a_line_without_a_version_is_not_ready_until_it_has_one(begin: Begin) -> None:
    bench = begin(first=False)
    plcs = bench.station.status
    shown = bench.wait(lambda _shown: bool(plcs()["plcs"]["press"]["not_ready"] == "stopped"))
    assert not shown.ready
    VersionStore(bench.folder / "data" / "lines" / "cell").add(bench.folder / "profile")
    bench.trigger("P-1")
    bench.picture(png(GOOD))
    assert bench.answer().result.label == ResultLabel.GOOD
