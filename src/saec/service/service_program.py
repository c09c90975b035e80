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
from saec.service.request_handling import RequestHandler
from saec.service.served_model import ServedModel
from saec.service.service_app import make_service_app
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.web.admission.admission_control import AdmissionControl, check_admission
from saec.web.admission.connection_timeouts import HttpConfig
from saec.web.admission.secret_files import readable_by_others
from saec.web.admission.tokens import Tokens
from saec.web.http_settings import HttpSettings
from saec.web.program.file_renewal import FileRenewal
from saec.web.program.http_server import HttpThread, listen
from saec.web.program.main_thread import Signals, keep_watch, start_in_thread
from saec.web.program.systemd import Systemd

_STEP = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """How the service is reached.

    Attributes:
        listen: "HOST:PORT".
        tokens: file of the stations' tokens; None lets everybody in, on this machine alone.
        http: certificate, names and limits.
    """

    listen: str
    tokens: Path | None = None
    http: HttpSettings = HttpSettings()  # noqa: RUF009  frozen


def run_service(
    door: ServiceAddress, model: CloudConfig, adapters: Sequence[tuple[str, str]], config: ServiceConfig
) -> None:
    """Load a model and serve it until SIGTERM or SIGINT.

    Raises:
        SaecError: it cannot be started.
        EndedError: HTTP has ended.
    """
    check_service(door, config)
    admission = AdmissionControl(door.http, Tokens(door.tokens), door.listen)
    for text in readable_by_others((door.tokens, door.http.tls_key)):
        log.warning("secret file not private", problem=text)
    with Signals() as signals, contextlib.closing(listen(door.listen)) as bound:
        begun = time.monotonic()
        served = start_in_thread(signals, lambda: ServedModel.load(model, adapters))
        if served is None:
            log.warning("stopped before it had started")
            return
        handler = RequestHandler(served, config)
        log.info(
            "models loaded", models=list(handler.served.entries), seconds=round(time.monotonic() - begun, 1)
        )
        if (agreement := handler.served.model.agreement) is not None:
            log.info("self-check", found=agreement.text())
        with serving(handler, admission, bound) as http:
            keep_watch(signals, http, handler.stuck, Systemd())


@contextlib.contextmanager
def serving(
    handler: RequestHandler, admission: AdmissionControl, bound: socket.socket
) -> Iterator[HttpThread]:
    """Serve from a thread of its own; at the end what was accepted is finished first.

    Raises:
        EndedError: it cannot be served.
    """
    http = HttpThread(HttpConfig(make_service_app(handler, admission), admission), admission.listener(bound))
    renewal = FileRenewal(
        admission, lambda kind, text: None
    )  # which the log has; the service keeps no alarms
    try:
        http.start()
        renewal.start()
        handler.living += [http, renewal]
        log.info("listening", address=f"{http.where}/v1")
        yield http
    finally:
        drain(handler)
        http.stop()
        renewal.stop()
        handler.close()
        log.info("service stopped", unanswered=handler.active)


def drain(handler: RequestHandler) -> None:
    """Refuse what is new and wait for what was accepted, as long as the settings allow."""
    handler.draining = True
    until = time.monotonic() + handler.config.drain
    while handler.active and time.monotonic() < until:
        time.sleep(_STEP)


def check_service(door: ServiceAddress, config: ServiceConfig) -> None:
    """What can be said before the model is loaded.

    Raises:
        ConfigError: a setting out of range, or an address open to all.
    """
    check_admission(door.http, door.listen, tokens=door.tokens is not None)
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
