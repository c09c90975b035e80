"""Who is connected: a slot for each connection from its acceptance to its end, so many in all and for each
address.

Where an address has no slot left, its own oldest connection that asks for nothing gives way; where there is
none in all, the oldest idle one of the address that has most. What finds no slot then gets one of a few in
reserve, to which health, readiness and metrics alone are answered. Everything belongs to the one event loop
of a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from saec.web.addresses import LOOPBACK, client_network, in_networks, parse_networks
from saec.web.http_settings import HttpSettings

_BURST = 32
"""Connections that are accepted before the loop goes round, and those that gave way for them are closed."""


class SlotProtocol(Protocol):
    """The protocol of a connection, as far as its slot knows it."""

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, so that it may be closed."""
        ...

    def leave(self) -> None:
        """Close at once."""
        ...


@dataclass(eq=False)
class ConnectionSlot:
    """The slot that one connection holds.

    Attributes:
        who: the address or network for which it counts.
        since: when it last did something, monotonic seconds.
        reserve: whether it is one of those in reserve.
        counted: whether it counts for its address.
        served: whether a request of it was answered.
        protocol: its protocol; None until the handshake of TLS is over.
        close: ends the connection of one that has no protocol yet.
    """

    who: str
    since: float
    reserve: bool
    counted: bool
    close: Callable[[], None] = lambda: None
    served: bool = False
    protocol: SlotProtocol | None = None

    @property
    def idle(self) -> bool:
        return self.protocol is None or self.protocol.idle


@dataclass
class ConnectionSlots:
    """The slots of all connections.

    Attributes:
        counts: what became of connections, by a word.
    """

    settings: HttpSettings
    clock: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    taken: set[ConnectionSlot] = field(default_factory=set)
    by_file: dict[int, ConnectionSlot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._proxies = parse_networks(self.settings.proxies)
        self._each: Counter[str] = Counter()
        self._reserved = 0

    def enter(self, host: str) -> ConnectionSlot | None:
        """A slot for a new connection; None where there is none at all."""
        who, counted = client_network(host), not in_networks(host, self._proxies)
        if counted and self._each[who] >= self._most(who) and not self._make_room(self._of(who)):
            return self._in_reserve(who)
        if len(self.taken) - self._reserved >= self.settings.connections and not self._make_room(
            self._of(self._largest())
        ):
            return self._in_reserve(who)
        return self._take(ConnectionSlot(who, self.clock(), reserve=False, counted=counted))

    def leave(self, slot: ConnectionSlot) -> None:
        """A connection has ended; a second time says nothing new."""
        if slot not in self.taken:
            return
        self.taken.remove(slot)
        self._reserved -= slot.reserve
        if slot.counted:
            self._each[slot.who] -= 1
            if not self._each[slot.who]:
                del self._each[slot.who]

    def free_one(self) -> None:
        """There are no handles left: close one connection that asks for nothing."""
        self._make_room(self._of(self._largest()))

    def _most(self, who: str) -> int:
        return (
            self.settings.connections_per_loopback
            if who == LOOPBACK
            else self.settings.connections_per_address
        )

    def _of(self, who: str) -> Iterable[ConnectionSlot]:
        return [slot for slot in self.taken if slot.who == who and not slot.reserve]

    def _largest(self) -> str:
        """Who has most slots; of a proxy's one cannot be told from another, and they are spared."""
        return max(self._each, key=lambda who: self._each[who], default="")

    def _in_reserve(self, who: str) -> ConnectionSlot | None:
        if self._reserved >= self.settings.reserved_connections and not self._make_room(
            s for s in self.taken if s.reserve
        ):
            self.counts["connection"] += 1
            return None
        return self._take(ConnectionSlot(who, self.clock(), reserve=True, counted=False))

    def _take(self, slot: ConnectionSlot) -> ConnectionSlot:
        self.taken.add(slot)
        self._reserved += slot.reserve
        if slot.counted:
            self._each[slot.who] += 1
        return slot

    def _make_room(self, slots: Iterable[ConnectionSlot]) -> bool:
        """Close the oldest that asks for nothing, first of those that never did; whether there was one."""
        idle = min((s for s in slots if s.idle), key=lambda s: (s.served, s.since), default=None)
        if idle is None:
            return False
        self.counts["idle connection"] += 1
        self.leave(idle)
        if idle.protocol is not None:
            idle.protocol.leave()
        else:
            idle.close()
        return True


class _SlotSocket(socket.socket):
    """An accepted connection that gives its slot back when it is closed."""

    end: Callable[[], None] | None = None

    def close(self) -> None:
        end, self.end = self.end, None
        if end is not None:
            end()
        super().close()


class SlotListener(socket.socket):
    """A listening socket that accepts connections for which there is a slot, and closes others at once.

    Args:
        bound: listens already; it is taken over.
    """

    def __init__(self, bound: socket.socket, slots: ConnectionSlots) -> None:
        super().__init__(bound.family, bound.type, bound.proto, fileno=bound.detach())
        self._slots, self._exhausted, self._burst = slots, False, 0

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that has a slot.

        Raises:
            BlockingIOError: there is none now, or those that gave way are to be closed first.
            OSError: there are no handles left; the loop waits a second then.
        """
        if self._exhausted:  # the loop would ask again as often as its backlog is long
            self._exhausted = False
            raise BlockingIOError
        while self._burst < _BURST:
            self._burst += 1
            if self._burst == 1:
                asyncio.get_running_loop().call_soon(self._begin)
            try:
                connection, address = super().accept()
            except OSError as e:
                if e.errno in (errno.EMFILE, errno.ENFILE):
                    self._exhausted = True
                    self._slots.free_one()
                raise
            slot = self._slots.enter(address[0])
            if slot is not None:
                return self._with_slot(connection, slot), address
            connection.close()
        raise BlockingIOError

    def _begin(self) -> None:
        """The loop has gone round."""
        self._burst = 0

    def _with_slot(self, connection: socket.socket, slot: ConnectionSlot) -> socket.socket:
        connected = _SlotSocket(
            connection.family, connection.type, connection.proto, fileno=connection.detach()
        )
        file, slots = connected.fileno(), self._slots
        slots.by_file[file] = slot

        def end() -> None:
            slots.leave(slot)
            if slots.by_file.get(file) is slot:
                del slots.by_file[file]

        def close() -> None:
            if slot.protocol is None and connected.fileno() >= 0:
                with contextlib.suppress(OSError):  # the other side has closed it
                    connected.shutdown(socket.SHUT_RDWR)

        connected.end, slot.close = end, close
        # The protocol hears of a connection when its handshake of TLS is over, which may never be.
        asyncio.get_running_loop().call_later(slots.settings.head_s, close)
        return connected
