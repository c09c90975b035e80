"""The station's program: start, serve, and stop on a signal."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from types import FrameType

import structlog
import uvicorn

from saec.errors import ConfigError
from saec.station.access import Tokens
from saec.station.api import make_app
from saec.station.settings import Settings, address
from saec.station.station import CloudFor, Station

log = structlog.get_logger()


def serve(settings: Settings, *, cloud_for: CloudFor | None = None) -> None:
    """Run a station until SIGTERM or SIGINT; what is under way is finished, what is not stays in the spool.

    Raises:
        SaecError: it cannot be started.
    """
    tokens = Tokens(settings.station.tokens_file)
    with contextlib.closing(listen(settings.station.listen)) as bound:
        station = Station(settings, cloud_for=cloud_for)
        server = _Server(
            uvicorn.Config(
                make_app(station, tokens),
                log_config=None,
                access_log=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=5,
                limit_concurrency=200,
                server_header=False,
            )
        )
        try:
            station.start()
            thread = threading.Thread(target=server.run, args=([bound],), name="saec-http", daemon=True)
            thread.start()
            host, port = bound.getsockname()[:2]
            log.info("listening", address=f"http://{host}:{port}/")
            _wait_for_signal()
            server.should_exit = True
            thread.join(10)
        finally:
            station.stop()


class _Server(uvicorn.Server):
    """Leaves signals to the main thread."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def listen(where: str) -> socket.socket:
    """A socket that is bound to "HOST:PORT".

    Raises:
        ConfigError: the address is in use, or not this machine's.
    """

    def fail(where: object, what: str, remedy: str) -> None:
        raise ConfigError(what, remedy)

    host, port = address(where, fail)
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


def _wait_for_signal() -> None:
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
