"""A bus coupler over Modbus TCP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, LinkError, MachineError
from saec.station.outputs.couplers.coupler_contract import InputReading
from saec.station.outputs.debounced_input import InputChange
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.plc.modbus_addresses import MOST_BITS, MOST_REGISTERS, modbus_address, one_request
from saec.station.plc.modbus_codec import Cell, CellRun, RegisterCodec, runs

try:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError as e:
    raise ExtraError("pymodbus", "modbus") from e

if TYPE_CHECKING:
    from saec.station.outputs.couplers.coupler_settings import ModbusCoupler

_CHECK = "check the coupler, its cable and its address"


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
        self._s, self._where = settings, f"modbus://{settings.host}:{settings.port}"
        places = {one.name: settings.output_address(one) for one in outputs}
        self._outputs = RegisterCodec(places, settings.word_order, "big")
        read = {one.name: settings.input_address(one) for one in inputs}
        self._inputs, self._requests = RegisterCodec(read, settings.word_order, "big"), one_request(read)
        self._switches = {one.name for one in inputs if one.use != "encoder"}
        self._watchdog = None if settings.watchdog is None else modbus_address(settings.watchdog, "uint16")
        self._fed = 1
        self._client: Any = None

    def open(self, levels: Mapping[str, bool]) -> None:
        self.close()
        settings = self._s
        self._client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0
        )
        if not self._client.connect():
            raise LinkError(f"{self._where} cannot be reached", _CHECK)
        for name, value in settings.setup.items():
            address = modbus_address(name, "uint16")
            self._send(CellRun(address.table, address.first, [value]))
        self.write(levels)
        self.feed()

    def read(self) -> dict[str, InputReading]:
        cells: dict[Cell, int] = {}
        for table, first, count in self._requests:
            ask = {
                "c": self._client.read_coils,
                "d": self._client.read_discrete_inputs,
                "h": self._client.read_holding_registers,
                "i": self._client.read_input_registers,
            }[table]
            what = f"read {table}{first} to {table}{first + count - 1}"
            answer = self._answer(what, ask, first, count=count)
            held = answer.bits if table in ("c", "d") else answer.registers
            if len(held) < count:
                raise LinkError(f"{self._where} answered with {len(held)} values of {count}", _CHECK)
            cells.update({(table, first + i): int(value) for i, value in enumerate(held[:count])})
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
                self._send(run)

    def feed(self) -> None:
        if self._watchdog is not None:
            self._fed = 3 - self._fed
            self._send(CellRun("h", self._watchdog.first, [self._fed]))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, run: CellRun) -> None:
        what = f"write {run.table}{run.first} to {run.table}{run.first + len(run.values) - 1}"
        if run.table == "c":
            self._answer(what, self._client.write_coils, run.first, [bool(value) for value in run.values])
        else:
            self._answer(what, self._client.write_registers, run.first, run.values)

    def _answer(self, what: str, ask: Any, *args: Any, **named: Any) -> Any:
        try:
            answer = ask(*args, **named, device_id=self._s.unit)
        except (ModbusException, OSError) as e:
            why = "does not answer" if self._client.connected else "has ended the connection"
            raise LinkError(f"{self._where} {why}", _CHECK) from e
        if answer.isError():
            why = f"exception {answer.exception_code}"
            raise MachineError(f"{self._where} refuses to {what}: {why}", "check the addresses and the unit")
        return answer
