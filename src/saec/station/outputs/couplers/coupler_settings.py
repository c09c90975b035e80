"""The sections [[coupler]]: the devices that hold digital inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from saec.errors import MachineError
from saec.station.outputs.couplers.coupler_contract import Coupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.plc.modbus_addresses import ModbusAddress, modbus_address
from saec.station.plc.signal_types import Order
from saec.station.section_types import FieldFault, Name, Seconds, Section

Register = Annotated[int, msgspec.Meta(ge=0, le=65535)]

_EMPTY = "the address is empty"
_COUNTER = ("uint16", "uint32")


class CouplerSettings(Section, frozen=True, kw_only=True):
    """What every [[coupler]] has.

    Attributes:
        name: The coupler's name.
        poll_ms: Milliseconds between two readings of its inputs, and between two looks at what is due.
        refresh_s: Seconds after which outputs are set again, and its watchdog fed, though nothing changed.
    """

    name: Name
    poll_ms: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 5.0
    refresh_s: Seconds = 0.5

    def make_coupler(self, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]) -> Coupler:
        """The coupler with its outputs and inputs; nothing is reached yet.

        Raises:
            ExtraError: what it needs is not installed.
        """
        raise NotImplementedError

    def counter_values(self, encoder: InputSettings) -> int:
        """Values of an encoder's counter before it begins again with 0; 0 where it never does."""
        raise NotImplementedError

    def is_own_counter(self) -> bool:
        """Whether encoders are counted by the device, also while nobody reads."""
        raise NotImplementedError

    def debounce(self, source: InputSettings) -> float:
        """Seconds for which a level must stand, where the device has not seen to it."""
        raise NotImplementedError

    def output_fault(self, output: OutputSettings) -> tuple[str, str] | None:
        """What is wrong with an output's address here, and the remedy."""
        raise NotImplementedError

    def input_fault(self, source: InputSettings) -> tuple[str, str] | None:
        """The same of an input's."""
        raise NotImplementedError

    def place(self, address: str) -> str:
        """An address in one spelling, to find two that are the same."""
        raise NotImplementedError

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say."""
        yield from ()


class ModbusCoupler(CouplerSettings, frozen=True, kw_only=True, tag_field="kind", tag="modbus"):
    """A [[coupler]] of kind "modbus": a bus coupler over Modbus TCP. It needs the extra ``saec[modbus]``.

    Attributes:
        host: Its name or address.
        port: Its port.
        unit: The number of the device, as behind a gateway.
        timeout_s: Seconds to wait for its answer. Then the connection is made anew.
        word_order: "big": the high word of a counter of 32 bits comes first.
        setup: Registers that are written once connected, such as its watchdog's time: { h4096 = 10 }. The
            coupler's manual names them.
        watchdog: The register of its watchdog. It is written each refresh_s, with 1 and 2 in turn.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 502
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    timeout_s: Seconds = 0.5
    word_order: Order = "big"
    setup: dict[str, Register] = msgspec.field(default_factory=dict)
    watchdog: str | None = None

    def make_coupler(self, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]) -> Coupler:
        from saec.station.outputs.couplers.modbus_coupler import ModbusBusCoupler

        return ModbusBusCoupler(self, outputs, inputs)

    def counter_values(self, encoder: InputSettings) -> int:
        return self.input_address(encoder).kind.values

    def is_own_counter(self) -> bool:
        return True

    def debounce(self, source: InputSettings) -> float:
        return source.debounce

    def output_address(self, output: OutputSettings) -> ModbusAddress:
        return modbus_address(output.address, "bool")

    def input_address(self, one: InputSettings) -> ModbusAddress:
        return modbus_address(one.address, "uint16" if one.use == "encoder" else "bool")

    def output_fault(self, output: OutputSettings) -> tuple[str, str] | None:
        return _fault_of(
            output.address, "bool", ("bool",), "ch", "an output is a coil or a bit, as c0 or h100.3"
        )

    def input_fault(self, source: InputSettings) -> tuple[str, str] | None:
        if source.use == "encoder":
            remedy = "an encoder is a register that counts, as i10:uint32"
            return _fault_of(source.address, "uint16", _COUNTER, "hi", remedy)
        remedy = "an input is an input, a coil or a bit, as d0 or i4.0"
        return _fault_of(source.address, "bool", ("bool",), "cdhi", remedy)

    def place(self, address: str) -> str:
        return address.split(":")[0]

    def faults(self) -> Iterator[FieldFault]:
        if not self.host:
            yield "host", "host is empty", "give the coupler's name or address"
        for key, texts in (("setup", list(self.setup)), ("watchdog", [self.watchdog or "h0"])):
            for text in texts:
                if fault := _fault_of(text, "uint16", ("uint16",), "h", "name a holding register, as h4096"):
                    yield key, *fault


def _fault_of(
    text: str, default: str, kinds: Sequence[str], tables: str, remedy: str
) -> tuple[str, str] | None:
    try:
        address = modbus_address(text, default)
    except MachineError as e:
        return e.what, remedy
    if address.table not in tables or address.kind.name not in kinds:
        return f"{text} cannot be used here", remedy
    return None


class GpioCoupler(CouplerSettings, frozen=True, kw_only=True, tag_field="kind", tag="gpio"):
    """A [[coupler]] of kind "gpio": lines of a GPIO chip of this computer. It needs ``saec[gpio]``.

    Attributes:
        chip: The chip's device file.
    """

    chip: str = "/dev/gpiochip0"

    def make_coupler(self, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]) -> Coupler:
        from saec.station.outputs.couplers.gpio_coupler import GpioLines

        return GpioLines(self, outputs, inputs)

    def counter_values(self, encoder: InputSettings) -> int:
        return 0

    def is_own_counter(self) -> bool:
        return False

    def debounce(self, source: InputSettings) -> float:
        return 0.0

    def output_fault(self, output: OutputSettings) -> tuple[str, str] | None:
        return None if output.address else (_EMPTY, "give the number or the name of a line of the chip")

    def input_fault(self, source: InputSettings) -> tuple[str, str] | None:
        return None if source.address else (_EMPTY, "give the number or the name of a line of the chip")

    def place(self, address: str) -> str:
        return str(int(address)) if address.isdecimal() else address


AnyCoupler = ModbusCoupler | GpioCoupler
"""The settings of every kind of coupler; the kind is told by its tag (``kind = "modbus"``)."""
