"""The entrance as an application of Ray Serve: who is let in, how often, and what is answered once.

Its state (rates, places, remembered answers) lives in its memory, so there is one of it.
"""

from __future__ import annotations

import contextlib
from typing import Any

import structlog

from saec.errors import EndedError
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas.replica_set import ReplicaSet
from saec.service.replicas.serve_calls import ServeReplicas
from saec.service.request_handling import RequestHandler
from saec.service.service_app import make_service_app
from saec.service.service_settings import ServiceConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig
from saec.web.program.file_renewal import FileRenewal
from saec.web.program.logs import configure_logs, trace_warning
from saec.web.program.trace_export import exported_traces

log = structlog.get_logger()


class Entrance:
    """What Ray Serve's proxy sends requests to.

    Args:
        config: the service's settings.
        http: names and limits; connections and TLS are the proxy's.
        settings: the replicas.
        logging: how it logs.
        trace: where its spans are sent.
        stamp: ``Deployed.stamp`` of these settings, by which a deployment tells whether it must be replaced.
    """

    def __init__(
        self,
        config: ServiceConfig,
        http: HttpSettings,
        settings: ReplicaConfig,
        logging: LogConfig,
        trace: TraceConfig,
        stamp: str,
    ) -> None:
        configure_logs(logging.level)
        self._stamp, self._http, self._open = stamp, http, contextlib.ExitStack()
        self._open.enter_context(exported_traces(trace, "saec-cloud", config.listen, trace_warning))
        self._handler = RequestHandler(ReplicaSet(ServeReplicas.running(), config, settings), config)
        self._admission = AdmissionControl(http, Tokens(config.tokens_file), config.listen)
        renewal = FileRenewal(self._admission, lambda kind, text: None)
        renewal.start()
        self._handler.living.append(renewal)

    def __serve_build_asgi_app__(self) -> Any:
        """The application behind Ray's proxy (see ``ray.serve.ingress``)."""
        app: Any = make_service_app(self._handler, self._admission)
        if self._http.proxies:
            from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

            return ProxyHeadersMiddleware(app, trusted_hosts=list(self._http.proxies))
        return app

    async def stamp(self) -> str:
        """``Deployed.stamp`` of its settings."""
        return self._stamp

    async def drain(self, *, on: bool) -> int:
        """Refuse new requests from now on, or accept them again.

        Returns:
            Requests that are not answered yet.
        """
        self._handler.draining = on
        return self._handler.active

    def __del__(self) -> None:
        self._handler.close()
        self._open.close()

    def check_health(self) -> None:
        """Ray replaces the entrance when this fails.

        Raises:
            EndedError: one of its threads is stuck.
        """
        if found := self._handler.stuck():
            raise EndedError("; ".join(one.what for one in found), "Ray starts another one in its place")
