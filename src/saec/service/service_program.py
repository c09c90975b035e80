"""The service's program: load, serve, and on a signal finish what was accepted."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import structlog

from saec.service.answer_engine import AnswerEngine
from saec.service.model_engine import ModelEngine
from saec.service.request_handling import RequestHandler
from saec.service.served_model import ServedModel
from saec.service.service_app import make_service_app
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.setting_ranges import check_ranges
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


def run_service(config: ServiceConfig, http: HttpSettings, open_engine: Callable[[], AnswerEngine]) -> None:
    """Load a model and serve it until SIGTERM or SIGINT.

    Args:
        config: the service's settings.
        http: certificate, names and limits.
        open_engine: loads what answers: ``load_engine``, or replicas.

    Raises:
        SaecError: it cannot be started.
        EndedError: HTTP has ended.
    """
    check_service(config, http)
    admission = AdmissionControl(http, Tokens(config.tokens_file), config.listen)
    for text in readable_by_others((config.tokens_file, http.tls_key)):
        log.warning("secret file not private", problem=text)
    with Signals() as signals, contextlib.closing(listen(config.listen)) as bound:
        begun = time.monotonic()
        engine = start_in_thread(signals, open_engine)
        if engine is None:
            log.warning("stopped during the start")
            return
        log.info("loaded", seconds=round(time.monotonic() - begun, 1))
        handler = RequestHandler(engine, config)
        with serving(handler, admission, bound) as thread:
            keep_watch(signals, thread, handler.stuck, Systemd())


def load_engine(config: ServiceConfig, model: CloudConfig) -> ModelEngine:
    """The model in this process, with its adapters beside it.

    Args:
        config: the service's settings; its adapters are served beside the model.
        model: how the model is loaded.

    Raises:
        ConfigError: an adapter has the name of the model.
        ModelError: a checkpoint or an adapter that is missing, damaged or not served.
    """
    served = ServedModel.load(model, config.adapters)
    log.info("models loaded", models=list(served.entries))
    if (agreement := served.model.agreement) is not None:
        log.info("self-check passed", found=agreement.text())
    return ModelEngine(served, config)


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
    until = time.monotonic() + handler.config.drain_s
    while handler.active and time.monotonic() < until:
        time.sleep(_STEP)


def check_service(config: ServiceConfig, http: HttpSettings) -> None:
    """What can be said before the model is loaded.

    Raises:
        ConfigError: a setting out of range, or an address open to all.
    """
    check_ranges("service", config)
    check_ranges("http", http)
    check_admission(http, config.listen, tokens=config.tokens_file is not None)
