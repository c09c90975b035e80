"""Who is connected: a seat for each connection from its acceptance to its end, so many in all and for each
address.

Where an address has no seat left, its own oldest connection that asks for nothing gives way; where there is
none in all, the oldest idle one of the address that has most. What finds no seat then gets one of a few in
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

from saec.web.addresses import LOOPBACK, among, neighbour, networks
from saec.web.settings import HttpSettings

_BURST = 32
"""Connections that are accepted before the loop goes round, and those that gave way for them are closed."""


class Guest(Protocol):
    """The protocol of a connection, as far as its seat knows it."""

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, so that it may be closed."""
        ...

    def leave(self) -> None:
        """Close at once."""
        ...


@dataclass(eq=False)
class Seat:
    """The place of one connection.

    Attributes:
        who: its neighbour.
        since: when it last did something, monotonic seconds.
        reserve: whether it is one of those in reserve.
        counted: whether it counts for its neighbour.
        served: whether a request of it was answered.
        guest: its protocol; None until the handshake of TLS is over.
        close: ends the connection of one that has no protocol yet.
    """

    who: str
    since: float
    reserve: bool
    counted: bool
    close: Callable[[], None] = lambda: None
    served: bool = False
    guest: Guest | None = None

    @property
    def idle(self) -> bool:
        return self.guest is None or self.guest.idle


@dataclass
class Crowd:
    """All seats.

    Attributes:
        counts: what became of connections, by a word.
    """

    settings: HttpSettings
    clock: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    seats: set[Seat] = field(default_factory=set)
    by_file: dict[int, Seat] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._proxies = networks(self.settings.proxies)
        self._each: Counter[str] = Counter()
        self._reserved = 0

    def enter(self, host: str) -> Seat | None:
        """A seat for a new connection; None where there is none at all."""
        who, counted = neighbour(host), not among(host, self._proxies)
        if counted and self._each[who] >= self._most(who) and not self._make_room(self._of(who)):
            return self._in_reserve(who)
        if len(self.seats) - self._reserved >= self.settings.connections and not self._make_room(
            self._of(self._largest())
        ):
            return self._in_reserve(who)
        return self._sit(Seat(who, self.clock(), reserve=False, counted=counted))

    def leave(self, seat: Seat) -> None:
        """A connection has ended; a second time says nothing new."""
        if seat not in self.seats:
            return
        self.seats.remove(seat)
        self._reserved -= seat.reserve
        if seat.counted:
            self._each[seat.who] -= 1
            if not self._each[seat.who]:
                del self._each[seat.who]

    def tire(self) -> None:
        """There are no handles left: close one connection that asks for nothing."""
        self._make_room(self._of(self._largest()))

    def _most(self, who: str) -> int:
        return self.settings.per_loopback if who == LOOPBACK else self.settings.per_address

    def _of(self, who: str) -> Iterable[Seat]:
        return [seat for seat in self.seats if seat.who == who and not seat.reserve]

    def _largest(self) -> str:
        """Who has most seats; of a proxy's one cannot be told from another, and they are spared."""
        return max(self._each, key=lambda who: self._each[who], default="")

    def _in_reserve(self, who: str) -> Seat | None:
        if self._reserved >= self.settings.reserve and not self._make_room(
            s for s in self.seats if s.reserve
        ):
            self.counts["connection"] += 1
            return None
        return self._sit(Seat(who, self.clock(), reserve=True, counted=False))

    def _sit(self, seat: Seat) -> Seat:
        self.seats.add(seat)
        self._reserved += seat.reserve
        if seat.counted:
            self._each[seat.who] += 1
        return seat

    def _make_room(self, seats: Iterable[Seat]) -> bool:
        """Close the oldest that asks for nothing, first of those that never did; whether there was one."""
        idle = min((s for s in seats if s.idle), key=lambda s: (s.served, s.since), default=None)
        if idle is None:
            return False
        self.counts["idle connection"] += 1
        self.leave(idle)
        if idle.guest is not None:
            idle.guest.leave()
        else:
            idle.close()
        return True


class _Seated(socket.socket):
    """An accepted connection that gives its seat back when it is closed."""

    end: Callable[[], None] | None = None

    def close(self) -> None:
        end, self.end = self.end, None
        if end is not None:
            end()
        super().close()


class Doorway(socket.socket):
    """A listening socket that accepts whom the crowd has a seat for, and closes others at once.

    Args:
        bound: listens already; it is taken over.
    """

    def __init__(self, bound: socket.socket, crowd: Crowd) -> None:
        super().__init__(bound.family, bound.type, bound.proto, fileno=bound.detach())
        self._crowd, self._tired, self._burst = crowd, False, 0

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that has a seat.

        Raises:
            BlockingIOError: there is none now, or those that gave way are to be closed first.
            OSError: there are no handles left; the loop waits a second then.
        """
        if self._tired:  # the loop would ask again as often as its backlog is long
            self._tired = False
            raise BlockingIOError
        while self._burst < _BURST:
            self._burst += 1
            if self._burst == 1:
                asyncio.get_running_loop().call_soon(self._begin)
            try:
                connection, address = super().accept()
            except OSError as e:
                if e.errno in (errno.EMFILE, errno.ENFILE):
                    self._tired = True
                    self._crowd.tire()
                raise
            seat = self._crowd.enter(address[0])
            if seat is not None:
                return self._seated(connection, seat), address
            connection.close()
        raise BlockingIOError

    def _begin(self) -> None:
        """The loop has gone round."""
        self._burst = 0

    def _seated(self, connection: socket.socket, seat: Seat) -> socket.socket:
        seated = _Seated(connection.family, connection.type, connection.proto, fileno=connection.detach())
        file, crowd = seated.fileno(), self._crowd
        crowd.by_file[file] = seat

        def end() -> None:
            crowd.leave(seat)
            if crowd.by_file.get(file) is seat:
                del crowd.by_file[file]

        def close() -> None:
            if seat.guest is None and seated.fileno() >= 0:
                with contextlib.suppress(OSError):  # the other side has closed it
                    seated.shutdown(socket.SHUT_RDWR)

        seated.end, seat.close = end, close
        # The protocol hears of a connection when its handshake of TLS is over, which may never be.
        asyncio.get_running_loop().call_later(crowd.settings.head_seconds, close)
        return seated
