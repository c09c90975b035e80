"""Sessions: whose a browser's cookie is, for hours since the log-in, and for hours without a request.

A token has 256 random bits, and its sha256 is kept. Whatever changes a person's password, role or state ends
the person's sessions in the same transaction (``PeopleStore``).
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import structlog

from saec.errors import PeopleError
from saec.station.people.people_database import open_people
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import COLUMNS, read_person
from saec.station.people.person import Person, name_key
from saec.station.people.pseudonyms import Pseudonyms
from saec.station.storage.database.shared_database import SharedDatabase

_CACHED_S = 1.0
_CACHED = 1024
_TOUCH_S = 60.0
"""A session's last request is written so often."""

_OF_ONE = 32
"""Sessions that a person may have; the ones that end first go."""

_TOKEN = 43
"""Characters of a token."""

log = structlog.get_logger()


class Sessions:
    """The sessions of a data folder, for several threads and processes at once.

    The database is opened when it is first needed. A line goes on without one that cannot be read.

    Args:
        folder: the station's data.
        settings: how long a session lasts.
        clock: seconds since the epoch.
        steady: seconds by a clock that cannot be set.
    """

    def __init__(
        self,
        folder: Path,
        settings: PeopleSettings,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._settings = folder, settings
        self._opened: SharedDatabase | None = None
        self._unread = False
        self._clock, self._steady = clock, steady
        self._pseudonyms = Pseudonyms(folder, settings, clock)
        self._cache: OrderedDict[bytes, tuple[Person, float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def _db(self) -> SharedDatabase:
        with self._lock:
            if self._opened is None:
                self._opened = open_people(self._folder)
            return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._pseudonyms.close()

    def start(self, person: Person) -> str:
        """Begin a session; its token, which is known here never again.

        Raises:
            PeopleError: the person may not log in, or has gone, or the people's database is damaged.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._db.transaction() as db:
            row = db.execute(
                "SELECT id FROM people WHERE key = ? AND enabled", (name_key(person.name),)
            ).fetchone()
            if row is None:
                raise PeopleError(f"{person.shown} may not log in", "ask an admin")
            db.execute(
                "DELETE FROM sessions WHERE ends <= ? OR seen <= ?",
                (now, now - 3600 * self._settings.idle_hours),
            )
            db.execute(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE person = ? "
                "ORDER BY ends DESC LIMIT -1 OFFSET ?)",
                (row[0], _OF_ONE - 1),
            )
            db.execute(
                "INSERT INTO sessions (hash, person, seen, ends) VALUES (?, ?, ?, ?)",
                (_hash(token), row[0], now, now + 3600 * self._settings.session_hours),
            )
        return token

    def person_of(self, token: str) -> Person | None:
        """The person of a token; None where the session has ended, there never was one, or nobody can tell.

        An answer is at most a second old. It costs one look into a small database, and waits for nobody.
        """
        if len(token) != _TOKEN:
            return None
        hashed, steady = _hash(token), self._steady()
        with self._lock:
            cached = self._cache.get(hashed)
        if cached is not None and steady < cached[1]:
            return cached[0]
        try:
            person = self._read(hashed)
        except (PeopleError, OSError, sqlite3.Error) as e:
            if not self._unread:
                log.error("sessions cannot be read, so nobody is let in", error=str(e))
            self._unread = True
            return None
        self._unread = False
        with self._lock:
            self._cache.pop(hashed, None)
            if person is not None:
                self._cache[hashed] = (person, steady + _CACHED_S)
                while len(self._cache) > _CACHED:
                    self._cache.popitem(last=False)
        return person

    def end(self, token: str) -> None:
        """End the session of a token."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM sessions WHERE hash = ?", (_hash(token),))
        with self._lock:
            self._cache.pop(_hash(token), None)

    def end_all(self, name: str) -> None:
        """End all sessions of a person."""
        with self._db.transaction() as db:
            ended = "DELETE FROM sessions WHERE person = (SELECT id FROM people WHERE key = ?)"
            db.execute(ended, (name_key(name),))
        with self._lock:
            self._cache.clear()

    def _read(self, hashed: bytes) -> Person | None:
        now = self._clock()
        rows = self._db.rows(
            f"SELECT sessions.seen, {COLUMNS} FROM sessions JOIN people ON people.id = person "
            "WHERE hash = ? AND ends > ? AND sessions.seen > ? AND enabled",
            (hashed, now, now - 3600 * self._settings.idle_hours),
        )
        if not rows:
            return None
        ((seen, *row),) = rows
        if abs(now - seen) >= _TOUCH_S:
            self._db.write_soon("UPDATE sessions SET seen = ? WHERE hash = ?", (now, hashed))
        return read_person(row, self._pseudonyms)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
