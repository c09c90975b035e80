"""The first admin: who can read the station's log or has a shell on the box has the code that makes one.

There is no default password. The code is made anew at each start, and gone for ever once there is an admin.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from urllib.parse import urlsplit

import structlog

from saec.errors import PeopleError
from saec.station.people.people_database import SET_UP, open_people
from saec.station.storage.database.shared_database import SharedDatabase

log = structlog.get_logger()

_CODE = "setup code"

SETUP_CODE = r"(?<=/page/setup\?code=)[0-9a-f]+"
"""Finds codes in addresses of logs."""


class SetupCode:
    """The code of a data folder's people.

    Args:
        db: the people's database.
    """

    def __init__(self, db: SharedDatabase) -> None:
        self._db = db

    @property
    def needed(self) -> bool:
        """Whether there has never been an admin."""
        return not self._db.rows("SELECT 1 FROM marks WHERE name = ?", (SET_UP,))

    def renew(self) -> str | None:
        """A new code in place of an older one; None once there is an admin."""
        return self._made(anew=True)

    def current(self) -> str | None:
        """The code of now, made where there is none yet; None once there is an admin."""
        return self._made(anew=False)

    def matches(self, code: str) -> bool:
        """Whether a code is the one of now."""
        rows = self._db.rows("SELECT value FROM marks WHERE name = ?", (_CODE,))
        given = code.encode(errors="surrogatepass")
        return bool(rows) and self.needed and hmac.compare_digest(str(rows[0][0]).encode(), given)

    def _made(self, *, anew: bool) -> str | None:
        with self._db.transaction() as db:
            if db.execute("SELECT 1 FROM marks WHERE name = ?", (SET_UP,)).fetchone():
                return None
            how = "REPLACE" if anew else "IGNORE"
            db.execute(
                f"INSERT OR {how} INTO marks (name, value) VALUES (?, ?)", (_CODE, secrets.token_hex(16))
            )
            ((code,),) = db.execute("SELECT value FROM marks WHERE name = ?", (_CODE,))
        return str(code)


def end_setup(db: Connection) -> None:
    """There is an admin; within the transaction that makes one."""
    db.execute("INSERT OR IGNORE INTO marks (name, value) VALUES (?, 1)", (SET_UP,))
    db.execute("DELETE FROM marks WHERE name = ?", (_CODE,))


def renewed_setup_address(folder: Path, station: str, names: Sequence[str] = ()) -> str | None:
    """Where a browser makes the first admin, by a new code; for a station that starts.

    Args:
        folder: the station's data.
        station, names: see ``setup_address``.

    Returns:
        None once there is an admin. None also where the people cannot be read: the log says so, and no line
        waits for them.
    """
    try:
        with closing(open_people(folder)) as db:
            code = SetupCode(db).renew()
    except (PeopleError, OSError, sqlite3.Error) as e:
        log.error("people cannot be read, so nobody can log in", error=str(e))
        return None
    return None if code is None else setup_address(station, code, names)


def setup_address(station: str, code: str, names: Sequence[str] = ()) -> str:
    """Where a browser makes the first admin.

    Args:
        station: the address at which the station listens, such as "http://127.0.0.1:8090".
        code: the code of now.
        names: those by which clients know this machine; the first is taken where the station listens
            everywhere.
    """
    url = urlsplit(station)
    port = "" if url.port is None else f":{url.port}"
    host = url.netloc
    if url.hostname in ("0.0.0.0", "::", None):
        host = f"{next(iter(names), socket.gethostname())}{port}"
    return f"{url.scheme}://{host}/page/setup?code={code}"
