"""A simulated PLC over Modbus: with registers of its own, or as a client of the station's."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from saec.station.plc.modbus_addresses import MOST_REGISTERS, Table, one_request
from saec.station.plc.modbus_codec import Cell, RegisterCodec, runs
from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.signal_mapping import station_signals
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.simulated.plc_peer import plc_values

REGISTER_TABLES: Mapping[Table, RegisterTable] = {
    "c": RegisterTable.COILS,
    "d": RegisterTable.DISCRETE_INPUTS,
    "h": RegisterTable.HOLDING,
    "i": RegisterTable.INPUTS,
}
"""The tables by the letters of addresses."""


class ModbusPlcMemory:
    """A PLC with registers, which the station reads and writes.

    Args:
        settings: the station's [[plc]]; the registers lie where its mapping says.
        port: where it listens on 127.0.0.1; None takes the settings' port, 0 a free one.

    Attributes:
        registers: what lies there.
    """

    def __init__(self, settings: ModbusPlc, *, port: int | None = None) -> None:
        order = settings.word_order, settings.byte_order
        self._told = RegisterCodec(settings.read_addresses(), *order)
        writes = settings.write_addresses()
        self._station, self._requests = RegisterCodec(writes, *order), one_request(writes)
        self.registers = ModbusRegisters(port=settings.port if port is None else port)

    @property
    def port(self) -> int:
        return self.registers.port

    def read(self) -> StationSignals:
        cells: dict[Cell, int] = {}
        asked = [(REGISTER_TABLES[table], first, count) for table, first, count in self._requests]
        for (table, first, _), values in zip(self._requests, self.registers.read_all(asked), strict=True):
            cells |= {(table, first + i): value for i, value in enumerate(values)}
        return station_signals(self._station.decode(cells)[0])

    def write(self, signals: PlcSignals) -> None:
        cells = self._told.cells(plc_values(signals))
        told = runs(cells, cells, MOST_REGISTERS)
        self.registers.write_all([(REGISTER_TABLES[run.table], run.first, run.values) for run in told])

    def silence(self, silent: bool) -> None:
        self.registers.silence(silent)

    def close(self) -> None:
        self.registers.close()


class ModbusPlcClient:
    """A PLC that reads and writes the station's registers.

    It writes its values before the bits that make them valid, and connects again by itself.

    Args:
        settings: the station's [[plc]], whose role is "server".
    """

    def __init__(self, settings: ModbusPlc) -> None:
        order = settings.word_order, settings.byte_order
        self._unit = settings.unit
        reads = settings.read_addresses()
        self._told = RegisterCodec(reads, *order)
        writes = settings.write_addresses()
        self._station, self._requests = RegisterCodec(writes, *order), one_request(writes)
        self._client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0
        )
        self._written: dict[Cell, int] = {}
        self._silent = False

    def read(self) -> StationSignals | None:
        if not self._is_connected():
            return None
        ask = {"h": self._client.read_holding_registers, "i": self._client.read_input_registers}
        cells: dict[Cell, int] = {}
        with contextlib.suppress(ModbusException, OSError):
            for table, first, count in self._requests:
                answer = ask[table](first, count=count, device_id=self._unit)
                if answer.isError():
                    return None
                cells |= {(table, first + i): value for i, value in enumerate(answer.registers)}
            return station_signals(self._station.decode(cells)[0])
        self._lose()
        return None

    def write(self, signals: PlcSignals) -> None:
        if not self._is_connected():
            return
        values = plc_values(signals)
        cells = self._told.cells(values)
        bits = self._told.places(name for name, value in values.items() if isinstance(value, bool))
        try:
            for wanted in (cells.keys() - bits, bits):
                self._send(cells, {cell for cell in wanted if self._written.get(cell) != cells[cell]})
        except (ModbusException, OSError):
            self._lose()

    def silence(self, silent: bool) -> None:
        self._silent = silent

    def close(self) -> None:
        self._lose()

    def _send(self, cells: dict[Cell, int], wanted: set[Cell]) -> None:
        for run in runs(cells, wanted, MOST_REGISTERS):
            answer = self._client.write_registers(run.first, run.values, device_id=self._unit)
            if not answer.isError():
                self._written |= {(run.table, run.first + i): value for i, value in enumerate(run.values)}

    def _is_connected(self) -> bool:
        return not self._silent and (
            self._client.connected or bool(self._client.connect())  # type: ignore[no-untyped-call]
        )

    def _lose(self) -> None:
        self._written = {}
        self._client.close()  # type: ignore[no-untyped-call]
