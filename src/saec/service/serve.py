"""The service's program: load, serve, and on a signal finish what was accepted."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from saec.config import CloudConfig, ServiceConfig
from saec.errors import ConfigError
from saec.service.app import make_app
from saec.service.desk import Desk
from saec.service.served import Served
from saec.web.access import Tokens
from saec.web.addresses import address, is_loopback
from saec.web.serving import Http, Patience, listen
from saec.web.starting import Signals, keep_watch, start
from saec.web.systemd import Systemd

CONNECTIONS = 1000
_STEP = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Door:
    """How the service is reached.

    Attributes:
        listen: "HOST:PORT".
        tokens: file of the stations' tokens; None lets everybody in, on this machine alone.
        cert, key: PEM files of certificate and key; None serves without TLS.
    """

    listen: str
    tokens: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def serve(door: Door, model: CloudConfig, adapters: Sequence[tuple[str, str]], config: ServiceConfig) -> None:
    """Load a model and serve it until SIGTERM or SIGINT.

    Raises:
        SaecError: it cannot be started.
        EndedError: HTTP has ended.
    """
    check(door, config)
    tokens = Tokens(door.tokens)
    with Signals() as signals, contextlib.closing(listen(door.listen)) as bound:
        begun = time.monotonic()
        served = start(signals, lambda: Served.load(model, adapters))
        if served is None:
            log.warning("told to stop before it had started")
            return
        desk = Desk(served, config)
        log.info("loaded", models=list(desk.served.entries), seconds=round(time.monotonic() - begun, 1))
        if (agreement := desk.served.model.agreement) is not None:
            log.info("self-check", found=agreement.text())
        with serving(desk, tokens, door, bound) as http:
            keep_watch(signals, http, desk.stuck, Systemd())


@contextlib.contextmanager
def serving(desk: Desk, tokens: Tokens, door: Door, bound: socket.socket) -> Iterator[Http]:
    """Serve from a thread of its own; at the end what was accepted is finished first.

    Raises:
        EndedError: it cannot be served.
    """
    http = Http(
        uvicorn.Config(
            make_app(desk, tokens),
            log_config=None,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            limit_concurrency=CONNECTIONS,
            http=Patience,
            server_header=False,
            lifespan="off",
            ssl_certfile=door.cert,
            ssl_keyfile=door.key,
        ),
        bound,
    )
    try:
        http.start()
        desk.living.append(http)
        log.info("listening", address=f"{http.where}/v1")
        yield http
    finally:
        drain(desk)
        http.stop()
        desk.close()
        log.info("stopped", unfinished=desk.active)


def drain(desk: Desk) -> None:
    """Refuse what is new and wait for what was accepted, as long as the settings allow."""
    desk.draining = True
    until = time.monotonic() + desk.config.drain
    while desk.active and time.monotonic() < until:
        time.sleep(_STEP)


def check(door: Door, config: ServiceConfig) -> None:
    """What can be said before the model is loaded.

    Raises:
        ConfigError: a setting out of range, an address open to all, or certificates that do not load.
    """
    host, port = address(door.listen)
    if door.tokens is None and not is_loopback(host):
        raise ConfigError(
            f"{host}:{port} can be reached from outside and no token is asked for",
            "name a tokens file, or listen on 127.0.0.1",
        )
    if (door.cert is None) != (door.key is None):
        raise ConfigError("of certificate and key one is missing", "give both, or neither")
    least = (
        config.batch,
        config.queue,
        config.max_pixels,
        config.max_images,
        config.max_tokens,
        config.decoders,
        config.batch_seconds,
    )
    if min(least) < 1 or config.max_delay < 0 or (config.rate is not None and config.rate <= 0):
        raise ConfigError("a limit of the service is out of range", "give numbers above 0")
    if door.cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(door.cert, door.key)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(
                f"{door.cert} and {door.key} cannot be used: {e}", "give PEM files of one pair"
            ) from e
