"""Pseudonyms: what is shown, logged and audited in place of names, and whose they are.

A pseudonym is in use for ``name_days``, then the person has another. Whose it was is kept for as many days
more, in a file of its own, and then forgotten. What it did stays on record; who it was nobody can say then.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from saec.station.people.people_database import open_pseudonyms
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.person import PSEUDONYM
from saec.station.storage.database.shared_database import SharedDatabase

_DAY = 86_400.0
_BYTES = 3


class KnownPseudonym(msgspec.Struct, frozen=True):
    """Whose a pseudonym is.

    Attributes:
        since: when it came into use, seconds since the epoch.
        until: when it went out of use; None while it is in use.
    """

    pseudonym: str
    name: str
    since: float
    until: float | None


class Pseudonyms:
    """The pseudonyms of a data folder; without the option a person is shown by name.

    Args:
        folder: the station's data.
        settings: whether there are any, and for how long.
        clock: seconds since the epoch.
    """

    def __init__(
        self, folder: Path, settings: PeopleSettings, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._settings, self._clock = folder, settings, clock
        self._opened: SharedDatabase | None = None

    @property
    def _db(self) -> SharedDatabase:
        if self._opened is None:
            self._opened = open_pseudonyms(self._folder)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def shown(self, person: int, name: str) -> str:
        """What is shown of a person: the pseudonym of now, or the name.

        Args:
            person: the account's number, which no other account ever has.
            name: its name.
        """
        if not self._settings.pseudonyms:
            return name
        now = self._clock()
        found = self._db.rows(
            "SELECT pseudonym FROM pseudonyms WHERE person = ? AND until IS NULL AND since > ?",
            (person, now - self._settings.name_days * _DAY),
        )
        return str(found[0][0]) if found else self._next(person, name, now)

    def end(self, person: int) -> None:
        """The person has left; whose the pseudonym was is kept until it is forgotten."""
        with self._db.transaction() as db:
            db.execute(
                "UPDATE pseudonyms SET until = ? WHERE person = ? AND until IS NULL", (self._clock(), person)
            )

    def forget(self) -> int:
        """Forget whose pseudonyms were that went out of use long enough ago; how many."""
        limit = self._clock() - self._settings.name_days * _DAY
        with self._db.transaction() as db:  # one that is in use for two spells belongs to nobody who logs in
            ended = "UPDATE pseudonyms SET until = since + ? WHERE until IS NULL AND since <= ?"
            db.execute(ended, (self._settings.name_days * _DAY, limit))
            return db.execute("DELETE FROM pseudonyms WHERE until <= ?", (limit,)).rowcount

    def all(self) -> list[KnownPseudonym]:
        """Those that are known, the newest last."""
        rows = self._db.rows("SELECT pseudonym, name, since, until FROM pseudonyms ORDER BY since, pseudonym")
        return [KnownPseudonym(*row) for row in rows]

    def _next(self, person: int, name: str, now: float) -> str:
        with self._db.transaction() as db:
            row = db.execute(
                "SELECT pseudonym, since FROM pseudonyms WHERE person = ? AND until IS NULL", (person,)
            ).fetchone()
            if row is not None and row[1] > now - self._settings.name_days * _DAY:
                return str(row[0])  # another process was faster
            db.execute(
                "UPDATE pseudonyms SET until = since + ? WHERE person = ? AND until IS NULL",
                (self._settings.name_days * _DAY, person),
            )
            while True:
                pseudonym = f"{PSEUDONYM}{secrets.token_hex(_BYTES)}"
                made = db.execute(
                    "INSERT OR IGNORE INTO pseudonyms (pseudonym, person, name, since) VALUES (?, ?, ?, ?)",
                    (pseudonym, person, name, now),
                )
                if made.rowcount:
                    return pseudonym
