"""Lock-out: after so many wrong passwords a name, or an address, has to wait.

Names that there are and names that there are not are counted alike, so a lock tells nobody which names there
are. What was typed is kept as a keyed hash: people type passwords where names belong.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from sqlite3 import Connection

from saec.station.people.people_settings import PeopleSettings
from saec.station.people.person import name_key
from saec.station.storage.database.shared_database import SharedDatabase
from saec.web.addresses import client_network

_ADDRESS = 10
"""An address may be that of many people, so it has so many times the attempts of a name."""

_KEY = "attempts key"


class LockOut:
    """The attempts of names and addresses.

    Args:
        db: the people's database.
        settings: how many attempts there are, and how long a lock lasts.
        clock: seconds since the epoch.
    """

    def __init__(
        self, db: SharedDatabase, settings: PeopleSettings, clock: Callable[[], float] = time.time
    ) -> None:
        self._db, self._settings, self._clock = db, settings, clock

    def begin(self, name: str, address: str) -> float:
        """Count an attempt before it is made, so that none is made beside it; seconds to wait, or 0.

        Args:
            name: what was typed for it.
            address: where the person is; an IPv6 address counts for its /64 network.
        """
        now, lock_s = self._clock(), 60 * self._settings.lock_minutes
        most = self._settings.login_attempts
        with self._db.transaction() as db:
            db.execute("DELETE FROM attempts WHERE last <= ? OR last > ?", (now - lock_s, now + lock_s))
            keys = _keys(db, name, address)
            found = dict(db.execute("SELECT key, count FROM attempts WHERE key IN (?, ?)", keys).fetchall())
            full = [
                key
                for key, limit in zip(keys, (most, most * _ADDRESS), strict=True)
                if found.get(key, 0) >= limit
            ]
            if full:
                ((last,),) = db.execute(
                    f"SELECT MAX(last) FROM attempts WHERE key IN ({', '.join('?' * len(full))})", full
                )
                return float(last + lock_s - now)
            for key in keys:
                db.execute(
                    "INSERT INTO attempts (key, count, last) VALUES (?, 1, ?) "
                    "ON CONFLICT (key) DO UPDATE SET count = count + 1, last = excluded.last",
                    (key, now),
                )
        return 0.0

    def take_back(self, name: str, address: str, *, right: bool) -> None:
        """An attempt was no wrong one.

        Args:
            right: the password was right, so the name's earlier attempts count no more. The address keeps
                those for other names.
        """
        with self._db.transaction() as db:
            of_name, of_address = _keys(db, name, address)
            if right:
                db.execute("DELETE FROM attempts WHERE key = ?", (of_name,))
            one_less = "UPDATE attempts SET count = count - 1 WHERE key IN (?, ?) AND count > 0"
            db.execute(one_less, (of_name, of_address))

    def lift(self, name: str) -> None:
        """Let a name log in at once."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM attempts WHERE key = ?", (_keys(db, name, "")[0],))


def _keys(db: Connection, name: str, address: str) -> tuple[bytes, bytes]:
    """What stands in the table for a name and for an address."""
    db.execute("INSERT OR IGNORE INTO marks (name, value) VALUES (?, ?)", (_KEY, secrets.token_bytes(32)))
    ((key,),) = db.execute("SELECT value FROM marks WHERE name = ?", (_KEY,))
    of_name, of_address = (
        hashlib.blake2b(f"{kind}\0{text}".encode(), key=key, digest_size=16).digest()
        for kind, text in (("name", name_key(name)), ("address", client_network(address)))
    )
    return of_name, of_address
