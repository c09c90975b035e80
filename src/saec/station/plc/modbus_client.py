"""Modbus TCP with the station as client of the PLC's registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saec.errors import MachineError
from saec.station.plc.modbus_addresses import MOST_BITS, MOST_REGISTERS, ModbusAddress, one_request
from saec.station.plc.modbus_codec import RegisterCodec, runs
from saec.station.plc.modbus_session import ModbusSession
from saec.station.plc.signal_mapping import (
    ordered_changes,
    plc_signals,
    station_signals,
    station_values,
    values_and_bits,
)
from saec.station.plc.signal_types import SignalValue, order_of_check
from saec.station.plc.signals import PlcSignals, StationSignals

if TYPE_CHECKING:
    from saec.station.plc.modbus_settings import ModbusPlc


class ModbusClientWay:
    """Reads the PLC's signals in one request for each table, and writes what changes of the station's.

    Its four bits lie in one register or side by side (``ModbusPlc.faults``), so that they change at once.
    """

    def __init__(self, settings: ModbusPlc) -> None:
        self._s = settings
        self._session = ModbusSession(settings.host, settings.port, settings.unit, settings.timeout_s, "PLC")
        reads, writes = settings.read_addresses(), settings.write_addresses()
        self._check = reads.pop("check", None)
        self._plc_requests, self._station_requests = one_request(reads), one_request(writes)
        order = settings.word_order, settings.byte_order
        self._plc, self._station = RegisterCodec(reads, *order), RegisterCodec(writes, *order)
        self._written: dict[str, SignalValue] | None = None

    def open(self) -> None:
        self._written = None
        self._session.open()
        if self._check is not None:
            self._check_order(self._check)
        self._session.read(self._plc_requests)
        self._session.read(self._station_requests)

    def read(self) -> PlcSignals:
        return plc_signals(*self._plc.decode(self._session.read(self._plc_requests)))

    def standing(self) -> StationSignals | None:
        values, _ = self._station.decode(self._session.read(self._station_requests))
        return station_signals(values)

    def write(self, signals: StationSignals) -> None:
        after = station_values(signals)
        now = dict(self._written or after)
        before, self._written = self._written, None  # unknown, should a request fail
        if before is None:
            now |= {name: False for name in after if isinstance(after[name], bool)}
        for group in values_and_bits(ordered_changes(before, after)):
            now |= group
            cells = self._station.cells(now)
            bits = any(isinstance(value, bool) for value in group.values())
            for run in runs(cells, self._station.places(group), MOST_BITS if bits else MOST_REGISTERS):
                self._session.write(run)
        self._written = after

    def refused(self) -> dict[str, int]:
        return {}  # a client refuses nobody

    def close(self) -> None:
        self._written = None
        self._session.close()

    def _check_order(self, address: ModbusAddress) -> None:
        cells = self._session.read([(address.table, address.first, address.count)])
        found = order_of_check([cells[address.table, address.first + i] for i in range(address.count)])
        if found == (self._s.word_order, self._s.byte_order):
            return
        where = f"{self._session.where}: the check signal in {address.table}{address.first}"
        if found is None:
            raise MachineError(f"{where} is not 16909060", "have the PLC write 16909060 (16#01020304) there")
        words, order = found
        raise MachineError(
            f"{where} is read in another order",
            f'set word_order = "{words}" and byte_order = "{order}"',
        )
