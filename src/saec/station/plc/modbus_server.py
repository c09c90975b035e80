"""Modbus TCP with the station as server: the PLC reads and writes the station's registers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, MachineError
from saec.station.plc.modbus_codec import RegisterCodec
from saec.station.plc.plc_settings import Wake
from saec.station.plc.signal_mapping import plc_signals, station_values
from saec.station.plc.signals import PlcSignals, StationSignals

try:
    from pymodbus.constants import ExcCodes
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice
except ImportError as e:
    raise ExtraError("pymodbus", "modbus") from e

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what fails is told by the errors raised here

if TYPE_CHECKING:
    from saec.station.plc.modbus_settings import ModbusPlc

_SIZE = 10_000
"""Registers of each table."""

_START = 10.0
"""Seconds within which the server's thread listens or has ended."""

_TABLES = {3: "h", 4: "i", 6: "h", 16: "h", 22: "h", 23: "h"}
"""The table of each function of Modbus that reads or writes registers."""


class ModbusServerWay:
    """The station's registers: what the PLC writes of its signals, and what it reads of the station's.

    Each request of the PLC is of one moment. What is the station's cannot be written.
    """

    def __init__(self, settings: ModbusPlc, wake: Wake) -> None:
        self._s, self._wake = settings, wake
        reads, writes = settings.read_addresses(), settings.write_addresses()
        reads.pop("check", None)
        order = settings.word_order, settings.byte_order
        self._plc, self._station = RegisterCodec(reads, *order), RegisterCodec(writes, *order)
        self._lock = threading.Lock()
        self._told = dict.fromkeys(self._plc.places(reads), 0)
        self._shown = self._station.cells(station_values(StationSignals()))
        self._heard: float | None = None  # when the PLC wrote last, and when it read or wrote
        self._asked_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        self.close()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="saec-modbus", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_START)

    def read(self) -> PlcSignals | None:
        with self._lock:
            now = time.monotonic()
            if self._heard is None or now - self._heard > self._s.silence_s:
                self._heard = None  # an old Trigger is none: the PLC has to write anew
                return None
            if now - self._asked_at > self._s.timeout_s:
                return None
            cells = dict(self._told)
        return plc_signals(*self._plc.decode(cells))

    def standing(self) -> StationSignals | None:
        return None

    def write(self, signals: StationSignals) -> None:
        cells = self._station.cells(station_values(signals))
        with self._lock:
            self._shown = cells

    def close(self) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._end(), loop).result(_START)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_START)
        loop.close()
        with self._lock:
            self._heard = None

    # in the server's thread

    async def _listen(self) -> None:
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        registers = [SimData(0, values=[0] * _SIZE, datatype=DataType.REGISTERS)]
        device = SimDevice(0, (bits, bits, registers, registers), action=self._asked)
        self._server = ModbusTcpServer(device, address=(self._s.host, self._s.port))
        if not await self._server.listen():
            what = f"nothing can listen on {self._s.host}:{self._s.port}"
            raise MachineError(
                what, "give an address of this machine and a free port; below 1024 needs a right"
            )

    async def _end(self) -> None:
        server: Any = self._server
        await server.shutdown()

    async def _asked(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by the server before it reads or writes."""
        table = _TABLES.get(function)
        if table is None:
            return ExcCodes.ILLEGAL_FUNCTION
        with self._lock:
            self._asked_at = time.monotonic()
            if values is None:
                for place, word in self._shown.items():
                    if place[0] == table and address <= place[1] < address + count:
                        registers[place[1] - start] = word
                return None
            cells = {(table, address + i): int(value) for i, value in enumerate(values)}
            if cells.keys() & self._shown.keys():
                return ExcCodes.ILLEGAL_ADDRESS
            self._told |= {place: word for place, word in cells.items() if place in self._told}
            self._heard = time.monotonic()
        self._wake()
        return None
