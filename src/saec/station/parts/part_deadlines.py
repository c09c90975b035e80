"""The thread that decides about parts whose time is up."""

from __future__ import annotations

import sqlite3

import structlog

from saec.station.storage.spool import Spool
from saec.station.threads import Stopping

_LOOK = 0.02
"""Seconds between two looks; a part's verdict is due a little before its deadline."""

_REST = 1.0
"""Seconds to wait where a verdict cannot be written, as on a full disk."""

log = structlog.get_logger()


class PartDeadlines:
    """Has the parts decided of which a frame is missing at their deadline."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def run(self, stopping: Stopping) -> None:
        """A thread's body."""
        while not stopping.is_set():
            stopping.wait(_LOOK if self.look(stopping) else _REST)

    def look(self, stopping: Stopping) -> bool:
        """Decide about each part whose time is up; False where one cannot be written now."""
        for first in self._spool.parts.overdue():
            stopping.turn()
            try:
                self._spool.parts.expire(first)
            except (OSError, sqlite3.Error) as e:
                log.error("verdict on a part not written", first=first, error=str(e))
                return False
        return True
