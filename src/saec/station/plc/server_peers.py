"""Who is connected to a server of the station's own, and what is refused there."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import msgspec
import structlog

from saec.station.section_types import FieldFault

_SPELL = 10.0
"""Seconds in which one kind of refusal of one address is logged once."""

_MOST_SAID = 256
"""Refusals that are remembered, so that none is logged too often."""

_OTHERS = "others"

log = structlog.get_logger()

PeerLimit = Annotated[int, msgspec.Meta(ge=2, le=200)]


def client_faults(clients: Sequence[str], *, serves: bool) -> Iterator[FieldFault]:
    """What is wrong with the addresses that may connect."""
    for address in clients:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield "clients", f"{address[:80]!r} is no IP address", "write it as 192.168.0.10"
    if clients and not serves:
        yield "clients", "clients are those of the station's own server", 'set role = "server"'


class ServerPeer:
    """One connection.

    Args:
        address: IP address of the other side.
        hang_up: ends it at once, also where the other side reads nothing.

    Attributes:
        served: whether it has made a request that was answered.
        seen: when it did so, or connected; seconds that never go back.
    """

    def __init__(self, address: str, hang_up: Callable[[], None]) -> None:
        self.address, self.hang_up = address, hang_up
        self.served, self.seen = False, time.monotonic()

    def serve(self) -> None:
        """It has made a request that is answered."""
        self.served, self.seen = True, time.monotonic()


class ServerPeers:
    """The connections to one server, and the address that writes there.

    Where all places are taken, a new connection has that of the one that was silent longest; one that has
    asked nothing goes before one that was answered. So nobody who only connects keeps a PLC out.

    Args:
        plc: the PLC's name, for the log.
        most: connections at once.
        clients: addresses that may connect; empty lets all connect.
        silence: seconds without a write after which another address may write.
    """

    def __init__(self, plc: str, most: int, clients: Sequence[str], silence: float) -> None:
        self._log, self._most, self._silence = log.bind(plc=plc), most, silence
        self._clients = frozenset(str(ipaddress.ip_address(address)) for address in clients)
        self._peers: list[ServerPeer] = []
        self._ended = False
        self._writer, self._wrote = "", 0.0
        self._refused: Counter[str] = Counter()
        self._said: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def enter(self, peer: ServerPeer) -> bool:
        """Whether it may stay; another may have to go for it."""
        if self._ended:
            return False
        if self._clients and peer.address not in self._clients:
            self.refuse(peer.address, "address", "add it to clients, if it is the PLC")
            return False
        if len(self._peers) >= self._most:
            gone = min(self._peers, key=lambda one: (one.served, one.seen))
            self.refuse(gone.address, "places", "raise peers, or end clients that nobody needs")
            self.leave(gone)
            gone.hang_up()
        self._peers.append(peer)
        return True

    def leave(self, peer: ServerPeer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)

    def begin(self) -> None:
        """The server listens from now on."""
        self._ended = False

    def hang_up(self) -> None:
        """End all connections, also those that come while the server ends."""
        self._ended = True
        for peer in list(self._peers):
            peer.hang_up()

    def may_write(self, address: str) -> bool:
        """Whether it is the one address that writes now, or nobody does; it is then the one."""
        now = time.monotonic()
        if address != self._writer and self._writer and now - self._wrote <= self._silence:
            self.refuse(
                address, "second writer", f"{self._writer} writes: let one PLC write, or name clients"
            )
            return False
        self._writer, self._wrote = address, now
        return True

    def is_writer(self, address: str) -> bool:
        return address == self._writer

    def refuse(self, address: str, what: str, remedy: str) -> None:
        """Count a refusal, and log it once in a spell."""
        now = time.monotonic()
        with self._lock:
            self._refused[what] += 1
        if len(self._said) >= _MOST_SAID:
            self._said = {key: at for key, at in self._said.items() if now - at < _SPELL}
            address = address if len(self._said) < _MOST_SAID else _OTHERS
        if now - self._said.get((address, what), -_SPELL) >= _SPELL:
            self._said[address, what] = now
            self._log.warning("a client is refused", peer=address, why=what, remedy=remedy)

    def refused(self) -> dict[str, int]:
        """Refusals since the start, by what was refused."""
        with self._lock:
            return dict(self._refused)

    def __len__(self) -> int:
        return len(self._peers)
