"""Contradictions of [[coupler]], [[output]] and [[input]] are found before anything starts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from saec.station.outputs.couplers.coupler_settings import AnyCoupler, GpioCoupler
from saec.station.outputs.output_checks import output_faults
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from tests.station.outputs.output_bench import MODBUS, gate

PINS = GpioCoupler(name="pins")


def source(**given: Any) -> InputSettings:
    fields = {"name": "belt", "coupler": "io", "address": "i0:uint32", "use": "encoder"}
    return InputSettings(**{**fields, **given})


def eye(**given: Any) -> InputSettings:
    fields = {"name": "eye", "address": "d0", "use": "trigger", "line": "cell", "source": "camera"}
    return source(**{**fields, **given})


def faults(
    *ones: OutputSettings | InputSettings, couplers: tuple[AnyCoupler, ...] = (MODBUS, PINS)
) -> list[str]:
    outputs = [one for one in ones if isinstance(one, OutputSettings)]
    inputs = [one for one in ones if isinstance(one, InputSettings)]
    return [
        f"{'.'.join(map(str, where))}: {what}"
        for where, what, remedy in output_faults(
            couplers,
            outputs,
            inputs,
            lines={"cell": 1.0, "other": 3.0},
            sources={"camera": "cell", "far": "other", "usb": "cell"},
            taken={"far": "press"},
            alone={"usb": "has no trigger"},
        )
        if remedy
    ]


@pytest.mark.parametrize(
    ("ones", "told"),
    [
        ([gate(on=[])], "output.0.on: on is empty"),
        ([gate(on=["defect", "ready"])], "output.0.on: an output cannot be on for defect and ready"),
        ([gate(on=["ready", "fault"])], "output.0.on: an output cannot be on for ready and fault"),
        ([gate(line="")], "output.0.line: the output gate has no line"),
        ([gate(line="nut")], "output.0.line: there is no [[line]] named nut"),
        ([gate(source="far")], "output.0.line: the frames of the source far are judged by the line other"),
        ([gate(source="eye")], "output.0.source: there is no [[source]] named eye"),
        ([gate(line="other")], "output.0.verdict_s: verdict_s (2) is below the time of the line other (3)"),
        ([gate(coupler="x")], "output.0.coupler: there is no [[coupler]] named x"),
        ([gate(address="d0")], "output.0.address: d0 cannot be used here"),
        ([gate(address="h4")], "output.0.address: h4: a bit of a register, and nothing else"),
        ([gate(coupler="pins", address="")], "output.0.address: the address is empty"),
        ([gate(delay_counts=4)], "output.0.encoder: a delay in counts and an encoder need each other"),
        ([gate(encoder="belt"), source()], "output.0.encoder: a delay in counts and an encoder need"),
        (
            [gate(delay_s=1.0, delay_counts=4, encoder="belt"), source()],
            "output.0.delay_counts: there are two delays",
        ),
        ([gate(delay_counts=4, encoder="belt")], "output.0.encoder: there is no [[input]] named belt"),
        (
            [gate(delay_counts=4, encoder="belt"), source(coupler="pins")],
            "output.0.encoder: the input belt is at the coupler pins, the output at io",
        ),
        ([gate(running="runs")], "output.0.running: running counts the seconds of delay_s"),
        ([gate(), gate(name="other")], "output.1.address: gate is at c0 of this coupler already"),
        (
            [gate(coupler="pins", address="7"), source(coupler="pins", address="07")],
            "input.0.address: gate is at 07 of this coupler already",
        ),
        ([eye(source="")], "input.0.source: the trigger eye has no source"),
        ([eye(line="other", source="far")], "input.0.source: the source far takes the pictures of press"),
        ([eye(), eye(name="two", address="d1")], "input.1.source: the source camera takes the"),
        ([eye(source="usb")], "input.0.source: the source usb has no trigger"),
        ([source(address="i0:int32")], "input.0.address: i0:int32 cannot be used here"),
        ([source(address="d0")], "input.0.address: d0 cannot be used here"),
        ([source(line="cell")], "input.0.line: an input of use encoder has no line"),
    ],
)  # fmt: skip
def test_a_fault_names_section_key_and_remedy(ones: list[Any], told: str) -> None:
    found = faults(*ones)
    assert any(one.startswith(told) for one in found), found


def test_what_is_right_has_no_fault() -> None:
    runs = source(name="runs", address="i4.0", use="running")
    assert faults(
        gate(delay_counts=900, encoder="belt"),
        gate(name="lamp", address="c1", on=["ready"], line=""),
        gate(name="late", address="h9.15", delay_s=1.0, running="runs"),
        gate(name="pin", coupler="pins", address="GPIO17", on=["good"], source="camera"),
        source(),
        eye(source="http:cam"),
        runs,
    ) == []  # fmt: skip


def test_registers_of_a_coupler_are_checked() -> None:
    wrong = msgspec.structs.replace(MODBUS, host="", setup={"c4": 1}, watchdog="h3:uint32")
    assert faults(couplers=(wrong,)) == [
        "coupler.0.host: host is empty",
        "coupler.0.setup: c4 cannot be used here",
        "coupler.0.watchdog: h3:uint32 cannot be used here",
    ]


def test_an_output_says_what_it_does_when_late() -> None:
    assert [gate(on=on).on_late for on in (["defect"], ["error"], ["good"], ["defect", "error"])] == [
        True,
        True,
        False,
        True,
    ]
