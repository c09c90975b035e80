"""Lines of a GPIO chip of this computer, by the kernel's character device (gpiod)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, LinkError, MachineError
from saec.station.outputs.couplers.coupler_contract import InputReading
from saec.station.outputs.debounced_input import InputChange
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.texts import whole_number

try:
    import gpiod
    from gpiod.line import Direction, Edge, Value
except ImportError as e:
    raise ExtraError("gpiod", "gpio") from e

if TYPE_CHECKING:
    from saec.station.outputs.couplers.coupler_settings import GpioCoupler

_EVENTS = 1024
"""Changes of inputs that the kernel keeps between two readings, where it keeps so many."""

_WHO = "saec"


class GpioLines:
    """Inputs and outputs of one chip. The kernel notes each change of an input with its time.

    An encoder's pulses are counted by the kernel's numbers of the changes, so that also those count for which
    its memory was too small. The times are those of CLOCK_MONOTONIC, which is ``time.perf_counter`` on Linux.

    Args:
        settings: the chip's.
        outputs, inputs: what is wired to it.
    """

    def __init__(
        self, settings: GpioCoupler, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]
    ) -> None:
        self._chip, self._outputs, self._inputs = str(settings.chip), outputs, inputs
        self._offsets: dict[str, int] = {}
        self._counts = {one.name: 0 for one in inputs if one.use == "encoder"}
        self._numbers: dict[str, int] = {}
        self._request: Any = None

    def open(self, levels: Mapping[str, bool]) -> None:
        self.close()
        try:
            with gpiod.Chip(self._chip) as chip:
                ones: list[OutputSettings | InputSettings] = [*self._outputs, *self._inputs]
                self._offsets = {one.name: self._offset(chip, one.address) for one in ones}
                self._request = chip.request_lines(
                    config={
                        **{self._offsets[one.name]: self._output(levels[one.name]) for one in self._outputs},
                        **{self._offsets[one.name]: self._input(one) for one in self._inputs},
                    },
                    consumer=_WHO,
                    event_buffer_size=_EVENTS if self._inputs else None,
                )
        except OSError as e:
            what = f"{self._chip} cannot be used: {e.strerror or e}"
            remedy = "check the device file, its group, and who else uses the lines (gpioinfo)"
            raise LinkError(what, remedy) from e
        self._numbers = {}

    def read(self) -> dict[str, InputReading]:
        if not self._inputs:
            return {}
        changes: dict[int, list[InputChange]] = {offset: [] for offset in self._offsets.values()}
        numbers: dict[int, int] = {}
        try:
            while self._request.wait_edge_events(timedelta(0)):
                for event in self._request.read_edge_events():
                    rising = event.event_type is event.Type.RISING_EDGE
                    changes[event.line_offset].append(InputChange(event.timestamp_ns / 1e9, rising))
                    numbers[event.line_offset] = event.line_seqno
            now = time.perf_counter()
            offsets = [self._offsets[one.name] for one in self._inputs]
            held = dict(zip(offsets, self._request.get_values(offsets), strict=True))
        except OSError as e:
            raise LinkError(f"{self._chip} cannot be read: {e.strerror or e}", "check the chip") from e
        found = {}
        for one in self._inputs:
            offset = self._offsets[one.name]
            if one.use == "encoder":
                number = numbers.get(offset, self._numbers.get(one.name, 0))
                self._counts[one.name] += number - self._numbers.get(one.name, 0)
                self._numbers[one.name] = number
                found[one.name] = InputReading(self._counts[one.name])
            else:
                level = held[offset] is Value.ACTIVE
                found[one.name] = InputReading(int(level), [*changes[offset], InputChange(now, level)])
        return found

    def write(self, levels: Mapping[str, bool]) -> None:
        if not self._outputs:
            return
        try:
            self._request.set_values({self._offsets[name]: _value(high) for name, high in levels.items()})
        except OSError as e:
            raise LinkError(f"{self._chip} cannot be set: {e.strerror or e}", "check the chip") from e

    def feed(self) -> None:
        """A chip has no watchdog."""

    def close(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def _offset(self, chip: Any, address: str) -> int:
        try:
            number = whole_number(address)
            return int(chip.line_offset_from_id(address if number is None else number))
        except (OSError, ValueError) as e:
            what = f"{self._chip} has no line {address}"
            raise MachineError(what, "`gpioinfo` lists its lines by number and name") from e

    def _output(self, high: bool) -> Any:
        return gpiod.LineSettings(direction=Direction.OUTPUT, output_value=_value(high))

    def _input(self, one: InputSettings) -> Any:
        rises = Edge.FALLING if one.inverted else Edge.RISING
        return gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=rises if one.use == "encoder" else Edge.BOTH,
            debounce_period=timedelta(seconds=one.debounce),
        )


def _value(high: bool) -> Any:
    return Value.ACTIVE if high else Value.INACTIVE
