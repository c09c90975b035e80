"""The station's program: start, serve, and stop on a signal."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import structlog

from saec.station.http.api import make_station_app
from saec.station.http.page_proxy import logs_in
from saec.station.line.version_opener import CloudFor
from saec.station.page_supervisor import PageProcess
from saec.station.people.sessions import Sessions
from saec.station.people.setup_code import renewed_setup_address
from saec.station.setup.station_settings import StationSettings
from saec.station.startup_check import check_openable
from saec.station.station import Station
from saec.station.storage.private_files import FilePermissions, restrict_permissions
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.connection_timeouts import HttpConfig
from saec.web.admission.tokens import Tokens
from saec.web.browser_sessions import BrowserSessions
from saec.web.program.file_renewal import FileRenewal
from saec.web.program.http_server import HttpThread, listen
from saec.web.program.main_thread import Signals, keep_watch, start_in_thread
from saec.web.program.systemd import Systemd

_TURN = 0.0005
"""Seconds after which a thread that computes in Python lets another have the interpreter. A look at a frame
lets go of it at each call into OpenCV and OpenVINO; at Python's 5 ms a burst of requests would make it wait
that long each time to have it back."""

log = structlog.get_logger()


def run_station(settings: StationSettings, *, cloud_for: CloudFor | None = None) -> None:
    """Run a station until SIGTERM or SIGINT; what is under way is finished, what is not stays in the spool.

    Raises:
        SaecError: it cannot be started.
        EndedError: HTTP has ended; a station that nobody can reach ends as well.
    """
    sys.setswitchinterval(_TURN)
    admission = AdmissionControl(settings.http, Tokens(settings.station.tokens_file), settings.station.listen)
    check_openable(settings)
    FilePermissions.close()
    with Signals() as signals, contextlib.closing(listen(settings.station.listen)) as bound:
        station = start_in_thread(signals, lambda: _started(settings, cloud_for))
        if station is None:
            log.warning("stopped during the start")
            return
        page, sessions = _page(station, admission)
        app = make_station_app(station, admission, page=page, sessions=sessions)
        http = HttpThread(HttpConfig(app, admission), admission.listener(bound))
        renewal = FileRenewal(admission, station.tell)
        try:
            if page is not None:
                page.start()
            http.start()
            renewal.start()
            station.living += [http, renewal]
            log.info("listening", address=f"{http.where}/")
            if page is not None:
                _ask_for_admin(settings, http.where)
            keep_watch(signals, http, station.watch, Systemd())
        finally:
            if page is not None:  # first, so that its streams do not hold the server up
                page.stop()
            http.stop()
            renewal.stop()
            station.stop()


def _page(
    station: Station, admission: AdmissionControl
) -> tuple[PageProcess, BrowserSessions] | tuple[None, None]:
    """The page beside a station, not begun yet, and who comes to it; neither where the settings want none."""
    settings = station.settings
    if not settings.station.page:
        return None, None

    def snapshot() -> dict[str, Any]:
        return {"status": station.status(), "problems": [*station.problems(), *admission.problems()]}

    sessions = Sessions(settings.station.data, settings.people)
    return PageProcess(settings, snapshot, station.tell), BrowserSessions(sessions.person_of, logs_in)


def _ask_for_admin(settings: StationSettings, where: str) -> None:
    """Log where a browser makes the first admin, as long as there is none."""
    address = renewed_setup_address(settings.station.data, where, settings.http.hosts)
    if address is not None:
        log.info("nobody can log in yet: make the first admin", address=address)


def _started(settings: StationSettings, cloud_for: CloudFor | None) -> Station:
    restrict_permissions(settings.station.data, _for_others(settings))
    station = Station(settings, cloud_for=cloud_for)
    station.start()
    return station


def _for_others(settings: StationSettings) -> list[Path]:
    """What people and other programs read or write, wherever it lies."""
    sinks = [output[0] for sink in settings.sink if (output := sink.output()) is not None]
    sources = [path for source in settings.source if (path := source.reads()) is not None]
    return [*sinks, *sources, *(line.profile for line in settings.line if line.profile is not None)]
