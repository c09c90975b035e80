"""A Modbus coupler that is not there: shows what a station sets, and tells it of parts that pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Event

from saec.errors import MachineError
from saec.station.outputs.couplers.coupler_settings import AnyCoupler, ModbusCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.plc.modbus_addresses import ModbusAddress, modbus_address
from saec.station.plc.modbus_codec import RegisterCodec
from saec.station.plc.signal_types import SignalValue
from saec.station.simulated.modbus_peers import REGISTER_TABLES
from saec.station.simulated.modbus_registers import SIZE, ModbusRegisters

COUNTS_S = 1000.0
"""Counts of an encoder in a second."""

_LOOK = 0.005
"""Seconds between two looks at the outputs."""

_HIGH = 0.05
"""Seconds for which a part is before a light barrier, at most half of the time between two parts."""

_AFTER = 5.0
"""Seconds after the last part in which outputs are still shown."""


class PlayedCoupler:
    """The other end of a [[coupler]] of kind "modbus".

    Its light barriers see one part after another, "running" is on, and encoders count 1,000 a second.

    Args:
        coupler: the settings; it listens where they say, which must be an address of this machine.
        outputs, inputs: all of the settings; those of other couplers are left out.

    Raises:
        MachineError: it is no Modbus coupler, nothing can listen there, or an address is too high.
    """

    def __init__(
        self, coupler: AnyCoupler, outputs: Iterable[OutputSettings], inputs: Iterable[InputSettings]
    ) -> None:
        if not isinstance(coupler, ModbusCoupler):
            raise MachineError(f"the coupler {coupler.name} is no Modbus coupler", "name one that is")
        self._outputs = {one.name: one for one in outputs if one.coupler == coupler.name}
        self._inputs = {one.name: one for one in inputs if one.coupler == coupler.name}
        self._places = {name: coupler.output_address(one) for name, one in self._outputs.items()}
        reads = {name: coupler.input_address(one) for name, one in self._inputs.items()}
        others = [modbus_address(text, "uint16") for text in (*coupler.setup, coupler.watchdog or "h0")]
        _check_low([*self._places.values(), *reads.values(), *others])
        self._codec, self._values = RegisterCodec(reads, coupler.word_order, "big"), reads
        self._registers = ModbusRegisters(host=coupler.host, port=coupler.port)
        self._shown: dict[str, bool] = {}

    def run(self, parts: int, per_s: float, say: Callable[[str], None], stopping: Event) -> None:
        """Play so many parts, and say each change of an output.

        Args:
            parts: how many come before the light barriers.
            per_s: how many in a second.
            say: told each change, as "1.203 s: gate is on".
            stopping: ends it early.
        """
        begun = time.monotonic()
        with self._registers:
            while not stopping.wait(_LOOK) and (now := time.monotonic() - begun) < parts / per_s + _AFTER:
                self._tell(now, parts, per_s)
                for line in self._changes(now):
                    say(line)

    def _tell(self, now: float, parts: int, per_s: float) -> None:
        since = now * per_s  # in times between two parts
        passing = since < parts and since % 1.0 < min(0.5, _HIGH * per_s)
        values: dict[str, SignalValue] = {}
        for name, one in self._inputs.items():
            if one.use == "encoder":
                values[name] = int(now * COUNTS_S) % self._values[name].kind.values
            else:
                values[name] = (passing if one.use == "trigger" else True) is not one.inverted
        cells = self._codec.cells(values)
        self._registers.write_all(
            [(REGISTER_TABLES[table], first, [cell]) for (table, first), cell in cells.items()]
        )

    def _changes(self, now: float) -> list[str]:
        places = list(self._places.items())
        held = self._registers.read_all(
            [(REGISTER_TABLES[place.table], place.first, 1) for _, place in places]
        )
        told = []
        for (name, place), words in zip(places, held, strict=True):
            high = bool(words[0] >> (place.bit or 0) & 1)
            on = high is not self._outputs[name].inverted
            if self._shown.get(name, False) is not on:
                self._shown[name] = on
                told.append(f"{now:.3f} s: {name} is {'on' if on else 'off'}")
        return told


def _check_low(places: Iterable[ModbusAddress]) -> None:
    for place in places:
        if place.first + place.count > SIZE:
            what = f"{place.table}{place.first} is beyond the addresses of a simulated coupler"
            raise MachineError(what, f"use addresses below {SIZE} to try it, or leave the key out")
