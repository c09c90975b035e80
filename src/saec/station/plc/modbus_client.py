"""Modbus TCP with the station as client of the PLC's registers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, LinkError, MachineError
from saec.station.plc.modbus_addresses import MOST_BITS, MOST_REGISTERS, ModbusAddress, Table, one_request
from saec.station.plc.modbus_codec import Cell, CellRun, RegisterCodec, runs
from saec.station.plc.signal_mapping import ordered_changes, plc_signals, station_signals, station_values
from saec.station.plc.signal_types import SignalValue, order_of_check
from saec.station.plc.signals import PlcSignals, StationSignals

try:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError as e:
    raise ExtraError("pymodbus", "modbus") from e

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what fails is told by the errors raised here

if TYPE_CHECKING:
    from saec.station.plc.modbus_settings import ModbusPlc

_WHY = {
    1: "it does not know the function",
    2: "it has no such address",
    3: "it does not take the value",
    4: "it failed",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "it does not answer the gateway",
}
"""Exception codes of Modbus."""


class ModbusClientWay:
    """Reads the PLC's signals in one request for each table, and writes what changes of the station's."""

    def __init__(self, settings: ModbusPlc) -> None:
        self._s = settings
        self._where = f"modbus://{settings.host}:{settings.port}"
        reads = settings.read_addresses()
        self._check = reads.pop("check", None)
        self._reads, self._writes = reads, settings.write_addresses()
        self._requests = one_request(reads)
        order = settings.word_order, settings.byte_order
        self._plc, self._station = RegisterCodec(reads, *order), RegisterCodec(self._writes, *order)
        self._written: dict[str, SignalValue] | None = None
        self._client: Any = None

    def open(self) -> None:
        self.close()
        self._client = ModbusTcpClient(self._s.host, port=self._s.port, timeout=self._s.timeout_s, retries=0)
        if not self._client.connect():
            raise LinkError(f"{self._where} cannot be reached", "check the address, the cable and the PLC")
        if self._check is not None:
            self._check_order(self._check)
        self._asked(self._requests)
        self._asked(self._station_requests())

    def read(self) -> PlcSignals:
        return plc_signals(*self._plc.decode(self._asked(self._requests)))

    def standing(self) -> StationSignals | None:
        values, _ = self._station.decode(self._asked(self._station_requests()))
        return station_signals(values)

    def write(self, signals: StationSignals) -> None:
        after = station_values(signals)
        now = dict(self._written or after)
        before, self._written = self._written, None  # unknown, should a request fail
        if before is None:
            now |= {name: False for name in after if isinstance(after[name], bool)}
        for group in self._groups(before, after):
            now |= group
            cells = self._station.cells(now)
            bits = any(isinstance(value, bool) for value in group.values())
            for run in runs(cells, self._station.places(group), MOST_BITS if bits else MOST_REGISTERS):
                self._send(run)
        self._written = after

    def close(self) -> None:
        client, self._client, self._written = self._client, None, None
        if client is not None:
            client.close()

    def _groups(
        self, before: dict[str, SignalValue] | None, after: dict[str, SignalValue]
    ) -> list[dict[str, SignalValue]]:
        groups = ordered_changes(before, after)
        if (
            self._station.bits_in_one
            and len(groups) > 1
            and isinstance(next(iter(groups[-2].values())), bool)
        ):
            rising, falling = groups[-2:]
            return [*groups[:-2], rising | falling]  # one register changes at once
        return groups

    def _station_requests(self) -> list[tuple[Table, int, int]]:
        return one_request(self._writes)

    def _check_order(self, address: ModbusAddress) -> None:
        cells = self._asked([(address.table, address.first, address.count)])
        found = order_of_check([cells[address.table, address.first + i] for i in range(address.count)])
        if found == (self._s.word_order, self._s.byte_order):
            return
        where = f"{self._where}: the check signal in {address.table}{address.first}"
        if found is None:
            raise MachineError(f"{where} is not 16909060", "have the PLC write 16909060 (16#01020304) there")
        words, order = found
        raise MachineError(
            f"{where} is read in another order",
            f'set word_order = "{words}" and byte_order = "{order}"',
        )

    def _asked(self, requests: list[tuple[Table, int, int]]) -> dict[Cell, int]:
        client, unit = self._connected(), self._s.unit
        ask = {
            "c": client.read_coils,
            "d": client.read_discrete_inputs,
            "h": client.read_holding_registers,
            "i": client.read_input_registers,
        }
        found: dict[Cell, int] = {}
        for table, first, count in requests:
            what = f"read {table}{first} to {table}{first + count - 1}"
            answer = self._answer(what, ask[table], first, count=count, device_id=unit)
            held = answer.bits if table in ("c", "d") else answer.registers
            if len(held) < count:
                raise LinkError(f"{self._where} answered with {len(held)} values of {count}", "check the PLC")
            found.update({(table, first + i): int(value) for i, value in enumerate(held[:count])})
        return found

    def _send(self, run: CellRun) -> None:
        client, what = self._connected(), f"write {run.table}{run.first} to {run.first + len(run.values) - 1}"
        if run.table == "c":
            bits = [bool(value) for value in run.values]
            self._answer(what, client.write_coils, run.first, bits, device_id=self._s.unit)
        else:
            self._answer(what, client.write_registers, run.first, run.values, device_id=self._s.unit)

    def _connected(self) -> Any:
        if self._client is None or not self._client.connected:
            raise LinkError(f"{self._where} has ended the connection", "check the PLC and the network")
        return self._client

    def _answer(self, what: str, ask: Any, *args: Any, **named: Any) -> Any:
        try:
            answer = ask(*args, **named)
        except (ModbusException, OSError) as e:
            why = "does not answer" if self._client.connected else "has ended the connection"
            raise LinkError(f"{self._where} {why}", "check the PLC and the network") from e
        if answer.isError():
            why = _WHY.get(answer.exception_code, f"exception {answer.exception_code}")
            raise MachineError(f"{self._where} refuses to {what}: {why}", "check the mapping and the unit")
        return answer
