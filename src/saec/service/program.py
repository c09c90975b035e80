"""The service's program: load, serve, and on a signal finish what was accepted."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from saec.errors import ConfigError
from saec.service.app import make_app
from saec.service.request_desk import Desk
from saec.service.served_model import Served
from saec.service.settings import ServiceConfig
from saec.settings import CloudConfig
from saec.web.admission.entrance import Entrance
from saec.web.admission.entrance import check as check_entrance
from saec.web.admission.secret_files import readable_by_others
from saec.web.admission.timeouts import HttpConfig
from saec.web.admission.tokens import Tokens
from saec.web.program.http_server import Http, listen
from saec.web.program.main_thread import Signals, keep_watch, start
from saec.web.program.renewal import Upkeep
from saec.web.program.systemd import Systemd
from saec.web.settings import HttpSettings

_STEP = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Door:
    """How the service is reached.

    Attributes:
        listen: "HOST:PORT".
        tokens: file of the stations' tokens; None lets everybody in, on this machine alone.
        http: certificate, names and limits.
    """

    listen: str
    tokens: Path | None = None
    http: HttpSettings = HttpSettings()  # noqa: RUF009  frozen


def serve(door: Door, model: CloudConfig, adapters: Sequence[tuple[str, str]], config: ServiceConfig) -> None:
    """Load a model and serve it until SIGTERM or SIGINT.

    Raises:
        SaecError: it cannot be started.
        EndedError: HTTP has ended.
    """
    check(door, config)
    entrance = Entrance(door.http, Tokens(door.tokens), door.listen)
    for text in readable_by_others((door.tokens, door.http.tls_key)):
        log.warning("secret", problem=text)
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
        with serving(desk, entrance, bound) as http:
            keep_watch(signals, http, desk.stuck, Systemd())


@contextlib.contextmanager
def serving(desk: Desk, entrance: Entrance, bound: socket.socket) -> Iterator[Http]:
    """Serve from a thread of its own; at the end what was accepted is finished first.

    Raises:
        EndedError: it cannot be served.
    """
    http = Http(HttpConfig(make_app(desk, entrance), entrance), entrance.doorway(bound))
    upkeep = Upkeep(entrance, lambda kind, text: None)  # which the log has; the service keeps no alarms
    try:
        http.start()
        upkeep.start()
        desk.living += [http, upkeep]
        log.info("listening", address=f"{http.where}/v1")
        yield http
    finally:
        drain(desk)
        http.stop()
        upkeep.stop()
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
        ConfigError: a setting out of range, or an address open to all.
    """
    check_entrance(door.http, door.listen, tokens=door.tokens is not None)
    least = (
        config.batch,
        config.queue,
        config.max_pixels,
        config.max_images,
        config.max_tokens,
        config.decoders,
        config.batch_seconds,
    )
    wrong = min(least) < 1 or config.max_delay < 0 or (config.rate is not None and config.rate <= 0)
    if wrong or not 0 < config.share <= 1:
        raise ConfigError("a limit of the service is out of range", "give numbers above 0")
