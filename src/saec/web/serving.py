"""A socket to listen on, a server that leaves signals to the main thread, and waiting for one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from saec.errors import ConfigError
from saec.web.addresses import address

HEADER_SECONDS = 15.0
"""A request's head must have arrived by then, or its connection is closed."""


class Patience(H11Protocol):
    """HTTP/1.1 that does not wait for ever for the head of a request: uvicorn bounds only the pause between
    two of them, so that a few hundred silent connections would shut everybody else out."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Run the timer exactly while a head is awaited."""
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Leaves signals to the main thread."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def listen(where: str) -> socket.socket:
    """A socket that is bound to "HOST:PORT".

    Raises:
        ConfigError: no address, or one that is in use or not this machine's.
    """
    host, port = address(where)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as e:
        bound.close()
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {e.strerror}", "choose another address"
        ) from e
    return bound


def wait_for_signal() -> None:
    """Block until SIGTERM or SIGINT; a second one ends the process at once."""
    asked = threading.Event()

    def heed(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise SystemExit(128 + number)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heed)
    # Another thread may be the one that the system interrupts; the interpreter heeds it when this one wakes.
    while not asked.wait(1.0):
        pass
