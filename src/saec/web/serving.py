"""A socket to listen on, a server that leaves signals to the main thread, and waiting for one."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from types import FrameType

import uvicorn

from saec.errors import ConfigError
from saec.web.addresses import address


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
    while not asked.wait(3600):
        pass
