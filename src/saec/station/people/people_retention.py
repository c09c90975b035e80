"""What is kept of people is kept no longer than it need be; the station's housekeeping sees to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from saec.errors import PeopleError
from saec.station.people.people_database import PEOPLE
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore

_EACH_S = 3600.0

log = structlog.get_logger()


class PeopleRetention:
    """Deletes unused accounts of a provider, and forgets whose old pseudonyms were, once an hour.

    Args:
        folder: the station's data.
        settings: how long they are kept.
    """

    def __init__(self, folder: Path, settings: PeopleSettings) -> None:
        self._folder, self._settings = folder, settings
        self._last: float | None = None

    def keep_within(self, now: float | None) -> None:
        """Delete what is older than the settings allow.

        Args:
            now: seconds since the epoch; None where the clock is not trusted, so that nothing is deleted.
        """
        if now is None or not (self._folder / PEOPLE).exists():
            return
        if self._last is not None and 0 <= now - self._last < _EACH_S:
            return
        self._last = now
        try:
            with closing(PeopleStore(self._folder, self._settings, clock=lambda: now)) as store:
                gone = store.forget()
        except (PeopleError, OSError, sqlite3.Error) as e:
            log.error("personal data not deleted", error=str(e))
            return
        if gone:
            log.info("personal data deleted", count=gone)
