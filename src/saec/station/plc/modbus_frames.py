"""One connection of a Modbus TCP client to the station's server: its bytes as requests.

After "MODBUS Application Protocol Specification V1.1b3" and "MODBUS Messaging on TCP/IP Implementation Guide
V1.0b" (modbus.org). What is no such frame ends the connection: where a frame begins is then unknown.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from saec.station.plc.modbus_addresses import Table
from saec.station.plc.server_peers import ServerPeer, ServerPeers

_HEADER = 7
_LEAST, _MOST = 2, 254
"""What a frame's length may be: unit, function and data."""

_AHEAD = 16 * 260
"""Bytes of requests that a client may send before it has their answers: 16 requests."""

_HALF = 5.0
"""Seconds within which a frame that has begun is whole."""

_UNREAD = 64 * 1024
"""Bytes of answers that a client leaves unread before it is let go."""

_FUNCTION, _ADDRESS, _VALUE, _BUSY = 1, 2, 3, 6
"""Exception codes."""

_MOST_READ, _MOST_WRITTEN, _MOST_WRITTEN_AND_READ = 125, 123, 121


class ModbusRefusal(Exception):
    """A request that is answered with an exception.

    Args:
        code: the exception code of Modbus.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    @classmethod
    def address(cls) -> ModbusRefusal:
        """There is no such register, or it may not be written."""
        return cls(_ADDRESS)

    @classmethod
    def busy(cls) -> ModbusRefusal:
        """Another client writes now."""
        return cls(_BUSY)


class RegisterStore(Protocol):
    """The registers of a server; both raise ``ModbusRefusal``."""

    def registers(self, table: Table, first: int, count: int, client: str) -> Sequence[int]:
        """Registers of the table "h" or "i", asked by an IP address."""
        ...

    def take(self, first: int, words: Sequence[int], client: str) -> None:
        """Write holding registers, all or none."""
        ...


def modbus_answer(request: bytes, store: RegisterStore, client: str) -> bytes:
    """The answer to a request, both from the function code on.

    Args:
        client: IP address of who asks.
    """
    function = request[0]
    handler = _HANDLERS.get(function)
    try:
        if handler is None:
            raise ModbusRefusal(_FUNCTION)
        return bytes([function]) + handler(request[1:], store, client)
    except struct.error:  # too short, or too long
        return bytes([function & 0x7F | 0x80, _VALUE])
    except ModbusRefusal as e:
        return bytes([function & 0x7F | 0x80, e.code])


def _read(table: Table) -> Callable[[bytes, RegisterStore, str], bytes]:
    def read(data: bytes, store: RegisterStore, client: str) -> bytes:
        first, count = struct.unpack(">HH", data)
        return _told(store, table, first, count, client)

    return read


def _told(store: RegisterStore, table: Table, first: int, count: int, client: str) -> bytes:
    if not 1 <= count <= _MOST_READ:
        raise ModbusRefusal(_VALUE)
    words = store.registers(table, first, count, client)
    return struct.pack(f">B{count}H", 2 * count, *words)


def _write_one(data: bytes, store: RegisterStore, client: str) -> bytes:
    first, word = struct.unpack(">HH", data)
    store.take(first, [word], client)
    return data


def _write(data: bytes, store: RegisterStore, client: str) -> bytes:
    first, words = _words(data, _MOST_WRITTEN)
    store.take(first, words, client)
    return data[:4]


def _mask(data: bytes, store: RegisterStore, client: str) -> bytes:
    first, kept, added = struct.unpack(">HHH", data)
    (word,) = store.registers("h", first, 1, client)
    store.take(first, [(word & kept) | (added & ~kept & 0xFFFF)], client)
    return data


def _write_and_read(data: bytes, store: RegisterStore, client: str) -> bytes:
    asked, count = struct.unpack(">HH", data[:4])
    first, words = _words(data[4:], _MOST_WRITTEN_AND_READ)
    if not 1 <= count <= _MOST_READ:
        raise ModbusRefusal(_VALUE)
    store.registers("h", asked, count, client)  # nothing is written where it cannot be read
    store.take(first, words, client)
    return _told(store, "h", asked, count, client)


def _words(data: bytes, most: int) -> tuple[int, Sequence[int]]:
    first, count, size = struct.unpack(">HHB", data[:5])
    if not 1 <= count <= most or size != 2 * count:
        raise ModbusRefusal(_VALUE)
    return first, struct.unpack(f">{count}H", data[5:])


_HANDLERS: dict[int, Callable[[bytes, RegisterStore, str], bytes]] = {
    3: _read("h"),
    4: _read("i"),
    6: _write_one,
    16: _write,
    22: _mask,
    23: _write_and_read,
}
"""The functions of Modbus that are offered."""


class ModbusConnection(asyncio.Protocol):
    """One client's connection, in the server's thread."""

    def __init__(self, store: RegisterStore, peers: ServerPeers) -> None:
        self._store, self._peers = store, peers
        self._held = bytearray()
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("peername")
        self._peer = ServerPeer(str(name[0]) if name else "", transport.abort)
        transport.set_write_buffer_limits(high=_UNREAD)
        if not self._peers.enter(self._peer):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._peers.leave(self._peer)

    def pause_writing(self) -> None:
        self._end("answers that it does not read", "have it read each answer")

    def data_received(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _AHEAD:
            self._end("too many requests at once", "have it wait for each answer")
            return
        while len(self._held) >= _HEADER and not self._transport.is_closing():
            transaction, protocol, length, unit = struct.unpack(">HHHB", self._held[:_HEADER])
            if protocol != 0 or not _LEAST <= length <= _MOST:
                self._end("no Modbus frame", "check what connects there, and that it speaks Modbus TCP")
                return
            if len(self._held) < _HEADER - 1 + length:
                break
            request = bytes(self._held[_HEADER : _HEADER - 1 + length])
            del self._held[: _HEADER - 1 + length]
            self._in_time()
            answer = modbus_answer(request, self._store, self._peer.address)
            if answer[0] & 0x80:
                what = f"exception {answer[1]} to function {request[0]}"
                self._peers.refuse(self._peer.address, what, "docs/modbus.md says what is offered")
            else:
                self._peer.serve()
            header = struct.pack(">HHHB", transaction, 0, 1 + len(answer), unit)
            self._transport.write(header + answer)
        if self._held and self._late is None:
            self._late = asyncio.get_running_loop().call_later(_HALF, self._end, "half a frame", "check it")

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self, what: str, remedy: str) -> None:
        self._held.clear()
        self._peers.refuse(self._peer.address, what, remedy)
        self._transport.abort()
