"""A socket to listen on, and a server in a thread of its own that leaves signals to the main thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn

from saec.errors import ConfigError, EndedError
from saec.web.addresses import parse_address
from saec.web.program.liveness import Heartbeat, StuckThread

LOOP_SECONDS = 30.0
"""Seconds that the event loop may stand still."""

_BACKLOG = 2048
_LOOK = 0.02
_FAREWELL = 8.0
"""Seconds that the server is given to end; it itself gives up what is under way after five."""

log = structlog.get_logger()


class QuietServer(uvicorn.Server):
    """Leaves signals to the main thread, and shows that its event loop goes round.

    Args:
        config: the server's configuration.
        turn: called ten times a second by the event loop.
    """

    def __init__(self, config: uvicorn.Config, turn: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._turn = turn

    async def on_tick(self, counter: int) -> bool:
        self._turn()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class HttpThread:
    """A server in a thread of its own.

    Args:
        config: the server's configuration.
        bound: what ``listen`` has given.
    """

    def __init__(self, config: uvicorn.Config, bound: socket.socket) -> None:
        self._bound, (host, port) = bound, bound.getsockname()[:2]
        self.where = f"{'https' if config.is_ssl else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        self.name = "http"
        self._pulse = Heartbeat(self.name, LOOP_SECONDS)
        self._server = QuietServer(config, self._pulse.turn)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="saec-http", daemon=True)

    def start(self) -> None:
        """Return when requests are answered.

        Raises:
            EndedError: the server has ended instead.
        """
        self._pulse.turn()
        self._thread.start()
        while not self._server.started:
            self.check()
            self._thread.join(_LOOK)

    def check(self) -> None:
        """Look whether the server is still there.

        Raises:
            EndedError: it has ended, and nobody has stopped it.
        """
        if not self._thread.is_alive():
            why = (
                "its thread has ended"
                if self._error is None
                else f"{self._error or type(self._error).__name__}"
            )
            raise EndedError(
                f"{self.where} is no longer served: {why}", "read the log, then start the program again"
            )

    def stuck(self) -> StuckThread | None:
        """Whether the event loop stands still."""
        return self._pulse.stuck()

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics, as of the other threads."""
        return self._pulse.status(alive=self._thread.is_alive())

    def stop(self) -> None:
        """Finish the requests that are under way, as far as they end in time."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_FAREWELL)

    def _run(self) -> None:
        try:
            self._server.run([self._bound])
        except BaseException as e:  # whatever it is, the main thread ends the program with it
            self._error = e
            log.error("the web server of this program ended with an error", error=repr(e), exc_info=e)


def listen(where: str) -> socket.socket:
    """A socket that listens on "HOST:PORT".

    It listens at once: two sockets may be bound to one port, until one of them listens.

    Raises:
        ConfigError: no address, or one that is in use or not this machine's.
    """
    host, port = parse_address(where)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as e:
        bound.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {e.strerror}",
            "choose another address, or stop the program that uses it",
        ) from e
    return bound
