"""A trigger that is answered with the verdict on its part, of which another source gives a view, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.plc.signals import FaultCode, ResultLabel
from saec.station.simulated.modbus_registers import ModbusRegisters
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame
from tests.station.plc.plc_bench import PlcBench
from tests.station.station_fakes import DEFECT, GOOD, png

Begin = Callable[..., PlcBench]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    made: list[PlcBench] = []
    with ModbusRegisters() as registers:

        def bench(within_s: float) -> PlcBench:
            rules = PartRules(sources=("http:cam", "top"), within_s=within_s)
            given: dict[str, Any] = {"answer": "part"}
            made.append(PlcBench(tmp_path, monkeypatch, registers, rules, **given))
            return made[-1]

        yield bench
        for one in made:
            one.station.stop()


def other_view(bench: PlcBench, part: str, red: int) -> None:
    """The view of the second camera, which no PLC triggers."""
    key = f"top/{time.time_ns()}"
    frame = NewFrame(line="cell", source="top", key=key, suffix=".png", captured=time.time(), part=part)
    bench.station.accept(frame, png(red))


def test_a_trigger_has_the_verdict_of_all_views_of_its_part(begin: Begin) -> None:
    bench = begin(within_s=30.0)
    for number, (part, own, other, label) in enumerate(
        [
            ("P-1", GOOD, GOOD, ResultLabel.GOOD),
            ("P-2", GOOD, DEFECT, ResultLabel.DEFECT),
            ("P-3", DEFECT, GOOD, ResultLabel.DEFECT),
        ],
        1,
    ):
        bench.trigger(part)
        if number == 2:
            other_view(bench, part, other)
        receipt = bench.picture(png(own))
        if number != 2:
            other_view(bench, part, other)
        told = bench.answer()
        assert (told.result_valid, told.result.number, told.result.label) == (True, number, label)
        assert told.result.part == part
        assert bench.station.spool.part_of(receipt.seq).verdict.act
        bench.acknowledge()


def test_a_part_without_its_other_view_is_a_fault_and_so_is_a_trigger_without_a_part(begin: Begin) -> None:
    bench = begin(within_s=20.0)  # its deadline is looked for below
    bench.trigger("P-1")
    receipt = bench.picture(png(GOOD))
    parts = bench.station.spool.parts
    bench.wait(lambda _: bool(bench.station.spool.verdicts(receipt.seq)))
    assert bench.shown().busy
    parts.expire(receipt.seq)
    assert bench.answer().code is FaultCode.NOT_JUDGED
    bench.acknowledge()
    bench.trigger(
        "P-1"
    )  # again, within the time of the first visit: its verdict knew nothing of this picture
    bench.picture(png(GOOD))
    assert bench.answer().code is FaultCode.NOT_JUDGED
    bench.acknowledge()
    bench.trigger("")
    bench.picture(png(GOOD))
    assert bench.answer().code is FaultCode.NOT_JUDGED
    bench.acknowledge()
