"""The station's program: start, serve, and stop on a signal."""

from __future__ import annotations

import contextlib
import sys
import threading

import structlog
import uvicorn

from saec.station.http.api import make_app
from saec.station.line.editions import CloudFor
from saec.station.settings import Settings
from saec.station.station import Station
from saec.web.access import Tokens
from saec.web.serving import Patience, Server, listen, wait_for_signal

_TURN = 0.0005
"""Seconds after which a thread that computes in Python lets another have the interpreter. A look at a frame
lets go of it at each call into OpenCV and OpenVINO; at Python's 5 ms a burst of requests would make it wait
that long each time to have it back."""

log = structlog.get_logger()


def serve(settings: Settings, *, cloud_for: CloudFor | None = None) -> None:
    """Run a station until SIGTERM or SIGINT; what is under way is finished, what is not stays in the spool.

    Raises:
        SaecError: it cannot be started.
    """
    sys.setswitchinterval(_TURN)
    tokens = Tokens(settings.station.tokens_file)
    with contextlib.closing(listen(settings.station.listen)) as bound:
        station = Station(settings, cloud_for=cloud_for)
        server = Server(
            uvicorn.Config(
                make_app(station, tokens),
                http=Patience,
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
            wait_for_signal()
            server.should_exit = True
            thread.join(10)
        finally:
            station.stop()
