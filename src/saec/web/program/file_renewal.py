"""The thread that reads certificate and tokens anew when they change, and tells what is wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog

from saec.web.admission.admission_control import AdmissionControl
from saec.web.program.liveness import Heartbeat, StuckThread

_LOOK = 1.0
_LIMIT = 120.0
"""Seconds that one look may take; it reads three small files."""

log = structlog.get_logger()


class FileRenewal:
    """Looks every second.

    Args:
        admission: the admission control whose files are checked.
        tell: told the kind and the text of what a person should know.
    """

    name = "entrance"

    def __init__(self, admission: AdmissionControl, tell: Callable[[str, str], None]) -> None:
        self._admission, self._tell = admission, tell
        self._failures, self._ended = 0, threading.Event()
        self._pulse = Heartbeat(self.name, _LIMIT, work="the check of certificate and token files")
        self._thread = threading.Thread(target=self._run, name="saec-entrance", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def stuck(self) -> StuckThread | None:
        return self._pulse.stuck()

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics."""
        return self._pulse.status(alive=self._thread.is_alive(), failures=self._failures)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK):
            self._pulse.turn()
            try:
                for kind, text in self._admission.look():
                    log.warning(kind, problem=text)
                    self._tell(kind, text)
            except Exception as e:  # the next look may go better
                self._failures += 1
                log.error("certificate and token files not checked", error=repr(e), exc_info=e)
