"""The page's process: ``python -m saec.station.page.page_program HANDLE``, begun by the station.

HANDLE is the number of the socket on which it listens. The first line of its standard input is the station's
settings; each further line says how the station does. Where that input ends the station has ended, and so
does the page.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog
import uvicorn

from saec.station.page.numbers.link_times import LinkTimes
from saec.station.page.page_app import make_page_events, make_page_tools, page_app
from saec.station.page.station_feed import StationFeed
from saec.station.setup.handed_settings import read_handed
from saec.station.setup.station_settings import StationSettings
from saec.station.teaching.job_runner import JobRunner
from saec.web.program.http_server import QuietServer
from saec.web.program.logs import configure_logs

_POLITE = 5
"""By how much the page steps back behind the line where both want the processor."""

_AT_ONCE = 256
"""Requests and streams at once; beyond it uvicorn answers 503."""

_FAREWELL = 2.0

log = structlog.get_logger()


def main() -> None:
    """Serve the page until the station has ended."""
    os.nice(_POLITE)
    configure_logs()
    lines = sys.stdin.buffer
    settings = read_handed(lines.readline(), StationSettings)
    feed = StationFeed()
    tools = make_page_tools(settings, feed)
    runner = JobRunner(settings, tools.jobs)
    runner.start()
    app = page_app(tools, make_page_events(tools))
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        server = QuietServer(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_AT_ONCE,
                timeout_graceful_shutdown=1,
            )
        )
        told = (lines, feed, tools.links, server)
        threading.Thread(target=_follow, args=told, name="saec-feed", daemon=True).start()
        server.run([listening])
    runner.stop()


def _follow(lines: Iterable[bytes], feed: StationFeed, links: LinkTimes, server: uvicorn.Server) -> None:
    """Keep what the station says last; where it says no more, the page ends."""
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            told: dict[str, Any] = msgspec.json.decode(line)
            feed.update(told)
            links.note(feed.status)
    feed.end()
    server.should_exit = True
    threading.Timer(_FAREWELL, os._exit, (0,)).start()  # whatever hangs
    links.write()


if __name__ == "__main__":
    main()
