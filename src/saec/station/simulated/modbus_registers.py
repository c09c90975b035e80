"""A Modbus TCP server with registers of its own, as a PLC or a coupler has them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from enum import IntEnum
from typing import Any, NamedTuple, Self, TypeVar

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from saec.errors import MachineError

SIZE = 1024
"""Registers, and bits, of each table."""

_PATIENCE = 30.0
"""Seconds within which the server's thread answers, or it hangs."""

_own: ContextVar[bool] = ContextVar("own", default=False)
"""Whether it is the PLC itself that looks at its registers, and no client."""

_Answer = TypeVar("_Answer")


class RegisterTable(IntEnum):
    """A table of a Modbus device; the value is the Modbus function that reads it."""

    COILS = 1
    DISCRETE_INPUTS = 2
    HOLDING = 3
    INPUTS = 4


class RegisterWrite(NamedTuple):
    """What a client has written.

    Attributes:
        function: number of the Modbus function.
        address: the first register or bit.
        values: one for each register, or for each bit.
    """

    function: int
    address: int
    values: tuple[int, ...]


class ModbusRegisters:
    """A Modbus TCP server in a thread of its own, whose registers both sides see.

    Every device number is answered. The four tables are apart, and addresses begin with 0.

    Args:
        port: where it listens on ``host``; 0 takes a free one.

    Attributes:
        port: where it listens.
        writes: what clients have written, oldest first.

    Raises:
        MachineError: it cannot listen there.

    Example:
        >>> with ModbusRegisters() as plc:
        ...     plc.write(RegisterTable.HOLDING, 10, [1, 2])
        ...     plc.read(RegisterTable.HOLDING, 10, 2)
        [1, 2]
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it logs each session that ends
        self.port = port
        self.writes: list[RegisterWrite] = []
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._answering = asyncio.Event()
        self._answering.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated-modbus", daemon=True)
        self._thread.start()
        try:
            self._server = self._call(self._made())
            self.listen()
        except MachineError:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # what the PLC's program does

    def read(self, table: RegisterTable, address: int, count: int = 1) -> list[int]:
        """Registers, or bits as 0 and 1, from an address on."""
        return self.read_all([(table, address, count)])[0]

    def write(self, table: RegisterTable, address: int, values: Sequence[int]) -> None:
        """Set registers, or bits, from an address on, all at once."""
        self.write_all([(table, address, values)])

    def read_all(self, places: Sequence[tuple[RegisterTable, int, int]]) -> list[list[int]]:
        """Several reads (table, address, count), between two requests of clients."""
        return self._call(self._read(places))

    def write_all(self, values: Sequence[tuple[RegisterTable, int, Sequence[int]]]) -> None:
        """Several writes (table, address, values), between two requests of clients."""
        self._call(self._write(values))

    # what happens to a PLC

    def silence(self, silent: bool = True) -> None:
        """Answer no request, while sessions stay open: a dead session. False answers again."""
        set_or_clear = self._answering.clear if silent else self._answering.set
        self._loop.call_soon_threadsafe(set_or_clear)

    def hang_up(self) -> None:
        """End all sessions, and listen no more, until ``listen``; the registers keep their values."""
        self._call(self._closed())

    def listen(self) -> None:
        """Listen, on the same port as before."""
        self._call(self._listening())

    def forget(self) -> None:
        """Every register is 0 again, as after a PLC's cold restart."""
        for table in RegisterTable:
            self.write(table, 0, [0] * SIZE)

    def close(self) -> None:
        """End the server and its thread."""
        self.silence(False)
        self.hang_up()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # in the server's thread

    async def _made(self) -> ModbusTcpServer:
        bits = [SimData(0, values=[False] * SIZE, datatype=DataType.BITS)]
        registers = [SimData(0, values=[0] * SIZE, datatype=DataType.REGISTERS)]
        device = SimDevice(0, (bits, bits, registers, registers), action=self._asked)
        return ModbusTcpServer(device, address=(self._host, self.port))

    async def _asked(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        _registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by the server before it reads or writes."""
        if not _own.get():
            await self._answering.wait()
            if values:
                self.writes.append(RegisterWrite(function, address, tuple(map(int, values))))
        return None

    async def _listening(self) -> None:
        self._server.init_setup_connect_listen(self._host, self.port)
        if not await self._server.listen():
            raise MachineError(f"nothing can listen on {self._host}:{self.port}", "name another port")
        transport: Any = self._server.transport
        self.port = transport.sockets[0].getsockname()[1]

    async def _closed(self) -> None:
        self._server.close()

    async def _read(self, places: Sequence[tuple[RegisterTable, int, int]]) -> list[list[int]]:
        _own.set(True)
        get = self._server.async_getValues
        return [[int(value) for value in await get(0, *place)] for place in places]

    async def _write(self, values: Sequence[tuple[RegisterTable, int, Sequence[int]]]) -> None:
        _own.set(True)
        for table, address, given in values:
            bits = table in (RegisterTable.COILS, RegisterTable.DISCRETE_INPUTS)
            kept = [bool(value) for value in given] if bits else [*given]
            await self._server.async_setValues(0, table, address, kept)

    def _call(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)
