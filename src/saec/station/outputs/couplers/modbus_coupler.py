"""A bus coupler over Modbus TCP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from saec.station.outputs.couplers.coupler_contract import InputReading
from saec.station.outputs.debounced_input import InputChange
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.plc.modbus_addresses import MOST_BITS, MOST_REGISTERS, modbus_address, one_request
from saec.station.plc.modbus_codec import CellRun, RegisterCodec, runs
from saec.station.plc.modbus_session import ModbusSession

if TYPE_CHECKING:
    from saec.station.outputs.couplers.coupler_settings import ModbusCoupler


class ModbusBusCoupler:
    """Reads each table of inputs in one request, and writes outputs that lie side by side in one.

    All outputs are written each time, and no register is read for it: bits of a register of outputs that are
    no output are written as 0.

    Args:
        settings: the coupler's.
        outputs, inputs: what is wired to it.
    """

    def __init__(
        self, settings: ModbusCoupler, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]
    ) -> None:
        self._setup = settings.setup
        host, port = settings.host, settings.port
        self._session = ModbusSession(host, port, settings.unit, settings.timeout_s, "coupler")
        places = {one.name: settings.output_address(one) for one in outputs}
        self._outputs = RegisterCodec(places, settings.word_order, "big")
        read = {one.name: settings.input_address(one) for one in inputs}
        self._inputs, self._requests = RegisterCodec(read, settings.word_order, "big"), one_request(read)
        self._switches = {one.name for one in inputs if one.use != "encoder"}
        self._watchdog = None if settings.watchdog is None else modbus_address(settings.watchdog, "uint16")
        self._fed = 1

    def open(self, levels: Mapping[str, bool]) -> None:
        self._session.open()
        for name, value in self._setup.items():
            address = modbus_address(name, "uint16")
            self._session.write(CellRun(address.table, address.first, [value]))
        self.write(levels)
        self.feed()

    def read(self) -> dict[str, InputReading]:
        cells = self._session.read(self._requests)
        now = time.perf_counter()
        found = {name: int(value) for name, value in self._inputs.decode(cells)[0].items()}
        return {
            name: InputReading(value, [InputChange(now, bool(value))] if name in self._switches else [])
            for name, value in found.items()
        }

    def write(self, levels: Mapping[str, bool]) -> None:
        cells = self._outputs.cells(levels)
        for bits in (True, False):
            wanted = [cell for cell in cells if (cell[0] == "c") is bits]
            for run in runs(cells, wanted, MOST_BITS if bits else MOST_REGISTERS):
                self._session.write(run)

    def feed(self) -> None:
        if self._watchdog is not None:
            self._fed = 3 - self._fed
            self._session.write(CellRun("h", self._watchdog.first, [self._fed]))

    def close(self) -> None:
        self._session.close()
