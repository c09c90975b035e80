"""Lines of a GPIO chip, which is a fake of gpiod's own interface: no kernel with gpio-sim is at hand."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Self

import gpiod
import pytest
from gpiod.line import Direction, Edge, Value

from saec.errors import LinkError, MachineError
from saec.station.outputs.couplers.coupler_settings import GpioCoupler
from saec.station.outputs.couplers.gpio_coupler import GpioLines
from saec.station.outputs.output_settings import InputSettings
from tests.station.outputs.output_bench import gate

NAMES = {"EYE": 4, "BELT": 5, "GATE": 17}


class FakeChip:
    """gpiod.Chip over lines that a test moves; it is also the request of its lines."""

    def __init__(self) -> None:
        self.levels: dict[int, bool] = {}
        self.lines: dict[int, gpiod.LineSettings] = {}
        self.events: list[gpiod.EdgeEvent] = []
        self.numbers: dict[int, int] = {}
        self.released, self.broken = 0, False

    def __call__(self, path: str) -> Self:
        if path != "/dev/gpiochip7":
            raise FileNotFoundError(2, "No such file or directory")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """The request outlives the chip."""

    def line_offset_from_id(self, id: int | str) -> int:
        if isinstance(id, int) and id < 32:
            return id
        if id not in NAMES:
            raise FileNotFoundError(2, "no such line")
        return NAMES[str(id)]

    def request_lines(
        self, config: dict[int, gpiod.LineSettings], consumer: str, event_buffer_size: int | None
    ) -> Self:
        self.lines, self.numbers = config, dict.fromkeys(config, 0)
        for offset, settings in config.items():
            if settings.direction is Direction.OUTPUT:
                self.levels[offset] = settings.output_value is Value.ACTIVE
        return self

    def move(self, offset: int, level: bool, *, kept: bool = True) -> float:
        """A line changes; the kernel notes it, unless its memory is full. When."""
        self.levels[offset], now = level, time.perf_counter()
        edge = self.lines[offset].edge_detection
        if edge in (Edge.BOTH, Edge.RISING if level else Edge.FALLING):
            self.numbers[offset] += 1
            types = gpiod.EdgeEvent.Type
            kind = (types.RISING_EDGE if level else types.FALLING_EDGE).value
            if kept:
                one = gpiod.EdgeEvent(kind, round(now * 1e9), offset, 0, self.numbers[offset])
                self.events.append(one)
        return now

    def wait_edge_events(self, timeout: timedelta) -> bool:
        return bool(self.events)

    def read_edge_events(self) -> list[gpiod.EdgeEvent]:
        if self.broken:
            raise OSError(19, "No such device")
        events, self.events = self.events[:2], self.events[2:]
        return events

    def get_values(self, lines: Iterable[int]) -> list[Value]:
        if self.broken:
            raise OSError(19, "No such device")
        return [Value.ACTIVE if self.levels.get(offset) else Value.INACTIVE for offset in lines]

    def set_values(self, values: dict[int, Value]) -> None:
        if self.broken:
            raise OSError(19, "No such device")
        self.levels |= {offset: value is Value.ACTIVE for offset, value in values.items()}

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> FakeChip:
    chip = FakeChip()
    monkeypatch.setattr(gpiod, "Chip", chip)
    return chip


def lines(*, chip: str = "/dev/gpiochip7", output: str = "GATE", **encoder: Any) -> GpioLines:
    inputs = [
        InputSettings(name="eye", coupler="io", address="EYE", use="trigger"),
        InputSettings(name="belt", coupler="io", address="5", use="encoder", **encoder),
    ]
    return GpioLines(GpioCoupler(name="io", chip=chip), [gate(address=output)], inputs)


def test_outputs_are_safe_from_the_request_on_and_inputs_are_debounced_by_the_kernel(chip: FakeChip) -> None:
    io = lines()
    io.open({"gate": True})
    assert chip.levels == {17: True}
    assert chip.lines[4].edge_detection is Edge.BOTH
    assert chip.lines[4].debounce_period == timedelta(seconds=0.005)
    assert chip.lines[5].edge_detection is Edge.RISING
    assert chip.lines[5].debounce_period == timedelta(0)
    io.write({"gate": False})
    assert chip.levels == {17: False}
    io.close()
    assert chip.released == 1


def test_changes_come_with_the_kernel_s_time_and_the_level_stands_last(chip: FakeChip) -> None:
    io = lines()
    io.open({"gate": False})
    assert [change.level for change in io.read()["eye"].changes] == [False]
    rose, fell = chip.move(4, True), chip.move(4, False)
    read = io.read()["eye"]
    assert [(round(at, 6), level) for at, level in read.changes[:2]] == [
        (round(rose, 6), True),
        (round(fell, 6), False),
    ]
    assert read.changes[2].level is False
    assert read.value == 0


@pytest.mark.parametrize("inverted", [False, True])
def test_pulses_are_counted_also_those_that_the_kernel_could_not_keep(chip: FakeChip, inverted: bool) -> None:
    io = lines(inverted=inverted)
    io.open({"gate": False})
    for n in range(9):
        for level in (True, False):
            chip.move(5, level, kept=n not in (3, 4))
    assert io.read()["belt"].value == 9
    assert io.read()["belt"].value == 9
    chip.move(5, True)
    chip.move(5, False)
    assert io.read()["belt"].value == 10
    io.open({"gate": False})
    assert io.read()["belt"].value == 10, "the count goes on, though the kernel's began anew"


def test_a_missing_chip_a_missing_line_and_a_chip_that_goes_are_said(chip: FakeChip) -> None:
    with pytest.raises(LinkError, match="gpiochip9 cannot be used: No such file"):
        lines(chip="/dev/gpiochip9").open({"gate": False})
    with pytest.raises(MachineError, match="no line RELAY"):
        lines(output="RELAY").open({"gate": False})
    io = lines()
    io.open({"gate": False})
    chip.broken = True
    with pytest.raises(LinkError, match="cannot be read"):
        io.read()
    with pytest.raises(LinkError, match="cannot be set"):
        io.write({"gate": True})
