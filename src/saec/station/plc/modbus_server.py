"""Modbus TCP with the station as server: the PLC reads and writes the station's registers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saec.errors import MachineError
from saec.station.plc.modbus_addresses import Table
from saec.station.plc.modbus_codec import Cell, RegisterCodec
from saec.station.plc.modbus_frames import ModbusConnection, ModbusRefusal
from saec.station.plc.plc_settings import Wake
from saec.station.plc.server_peers import ServerPeers
from saec.station.plc.signal_mapping import plc_signals, station_values
from saec.station.plc.signals import PlcSignals, StationSignals

if TYPE_CHECKING:
    from saec.station.plc.modbus_settings import ModbusPlc

_SIZE = 10_000
"""Registers of each table."""

_START = 10.0
"""Seconds within which the server's thread listens or has ended."""

_TURNS = 0.01
"""Seconds in which the loop closes the sockets of connections that were ended, or came meanwhile."""


class ModbusServerWay:
    """The station's registers: what the PLC writes of its signals, and what it reads of the station's.

    Each request of the PLC is of one moment. What is the station's cannot be written. One address writes at
    a time: what two PLCs write one after the other would be nobody's trigger.
    """

    def __init__(self, settings: ModbusPlc, wake: Wake) -> None:
        self._s, self._wake = settings, wake
        reads, writes = settings.read_addresses(), settings.write_addresses()
        reads.pop("check", None)
        order = settings.word_order, settings.byte_order
        self._plc, self._station = RegisterCodec(reads, *order), RegisterCodec(writes, *order)
        self._peers = ServerPeers(settings.name, settings.peers, settings.clients, settings.silence_s)
        self._lock = threading.Lock()
        self._told = dict.fromkeys(self._plc.places(reads), 0)
        self._rest = [0] * _SIZE  # holding registers that are no signal's
        self._shown = self._station.cells(station_values(StationSignals()))
        self._heard: float | None = None  # when the PLC wrote last, and when it read or wrote
        self._asked_at = 0.0
        self._server: asyncio.Server | None = None
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

    def refused(self) -> dict[str, int]:
        return self._peers.refused()

    # in the server's thread

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._peers.begin()
        try:
            self._server = await loop.create_server(
                lambda: ModbusConnection(self, self._peers), self._s.host, self._s.port
            )
        except OSError as e:
            what = f"nothing can listen on {self._s.host}:{self._s.port} ({e.strerror or e})"
            remedy = "give an address of this machine and a free port; below 1024 needs a right"
            raise MachineError(what, remedy) from e

    async def _end(self) -> None:
        server, self._server = self._server, None
        self._peers.hang_up()
        await asyncio.sleep(_TURNS)
        if server is not None:
            server.close()
            await asyncio.sleep(_TURNS)

    def registers(self, table: Table, first: int, count: int, client: str) -> Sequence[int]:
        """Registers as a client reads them."""
        if first + count > _SIZE:
            raise ModbusRefusal.address()
        with self._lock:
            if self._peers.is_writer(client):
                self._asked_at = time.monotonic()
            return [self._cell(table, address) for address in range(first, first + count)]

    def _cell(self, table: Table, address: int) -> int:
        place = table, address
        if place in self._shown:
            return self._shown[place]
        rest = self._rest[address] if table == "h" else 0
        return self._told.get(place, rest)

    def take(self, first: int, words: Sequence[int], client: str) -> None:
        """What a client writes: only signals tell that the PLC lives."""
        if first + len(words) > _SIZE:
            raise ModbusRefusal.address()
        cells: dict[Cell, int] = {("h", first + i): word for i, word in enumerate(words)}
        told = {place: word for place, word in cells.items() if place in self._told}
        if cells.keys() & self._shown.keys():
            raise ModbusRefusal.address()
        if told and not self._peers.may_write(client):
            raise ModbusRefusal.busy()
        with self._lock:
            self._told |= told
            self._rest[first : first + len(words)] = words
            if not told:
                return
            self._heard = self._asked_at = time.monotonic()
        self._wake()
