"""Damage of the database: what a bad disk, a stray write or a half-copied backup leaves.

It is looked for at each start, and noticed in any question to the database. What SQLite cannot see (a byte
within a stored text) is noticed where the record is read.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from saec.decoding import decode
from saec.errors import SpoolError
from saec.station.storage.database.wal import is_log_sound

REMEDY = (
    "stop the station and run `saec station repair`: it keeps all images, and every record that can still be "
    "read"
)

_SECONDS = 1.0
"""For the check at a start; of a large database it sees a part."""

_OPCODES = 20_000
"""Steps of SQLite's machine between two looks at the clock."""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_OF_THE_DISK = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

log = structlog.get_logger()


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the database itself is damaged."""
    if not isinstance(error, sqlite3.Error):
        return False
    return _code(error) in _CORRUPT or str(error).startswith("Could not decode to UTF-8")


class Damage:
    """Notes the first error that says that the database is damaged.

    Attributes:
        reason: one sentence with the remedy; "" as long as nothing was noticed.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.reason = path, ""

    def note(self, error: object) -> None:
        if not self.reason:
            self.reason = f"{self._path} is damaged ({error}): {REMEDY}"
            log.error("database damaged", path=str(self._path), error=str(error), remedy=REMEDY)


class _Cursor(sqlite3.Cursor):
    """Has damage noted in whatever question it shows."""

    connection: NotingConnection

    def _noted(self, ask: Callable[..., Any], *args: Any) -> Any:
        try:
            return ask(*args)
        except sqlite3.Error as e:
            if is_damage(e):
                self.connection.damage.note(e)
            raise

    def execute(self, *args: Any) -> Any:
        return self._noted(super().execute, *args)

    def executemany(self, *args: Any) -> Any:
        return self._noted(super().executemany, *args)

    def fetchone(self) -> Any:
        return self._noted(super().fetchone)

    def fetchall(self) -> Any:
        return self._noted(super().fetchall)

    def __next__(self) -> Any:
        return self._noted(super().__next__)


class NotingConnection(sqlite3.Connection):
    """A connection whose ``damage`` is told of it."""

    damage: Damage

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)


def connect(path: Path, damage: Damage) -> NotingConnection:
    """A connection in autocommit mode that any thread may use, one at a time."""
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=30.0, factory=NotingConnection
    )
    db.damage = damage
    return db


T = TypeVar("T")


def decode_record(db: sqlite3.Connection, blob: bytes, kind: type[T]) -> T | None:
    """A record of the database as a type; None where its bytes are damaged, which is noted."""
    try:
        return decode(blob, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        if isinstance(db, NotingConnection):
            db.damage.note(e)
        return None


@contextmanager
def as_spool_errors(path: Path) -> Iterator[None]:
    """Errors of SQLite as what they mean for who starts the station, or looks at its database.

    Raises:
        SpoolError: the disk is at fault, or the database is damaged.
    """
    try:
        yield
    except sqlite3.Error as e:
        if _code(e) in _OF_THE_DISK:
            raise SpoolError(f"{path} cannot be opened: {e}", "check the disk and its free space") from e
        raise SpoolError(f"{path} is damaged: {e}", REMEDY) from e
    except (UnicodeDecodeError, MemoryError, OverflowError) as e:  # lengths and texts that are none
        raise SpoolError(f"{path} is damaged: {e!r}", REMEDY) from e


def check_there(path: Path) -> None:
    """Refuse to look beside a station that has never run.

    Raises:
        SpoolError: there is no database.
    """
    if not path.exists():
        raise SpoolError(f"{path} does not exist", "give the settings of a station that has run")


def check_files(path: Path) -> None:
    """Look at a database's files before SQLite does, which begins anew where they are damaged in some ways.

    Raises:
        SpoolError: the database is empty beside images, or its log is damaged.
    """
    if path.exists() and path.stat().st_size == 0 and any((path.parent / "images").glob("*/*")):
        raise SpoolError(f"{path} is empty, but there are images", REMEDY)
    log_path = path.with_name(path.name + "-wal")
    if not is_log_sound(log_path):
        raise SpoolError(
            f"{log_path} is damaged; it held frames that the station had confirmed to their senders", REMEDY
        )


def quick_check(db: sqlite3.Connection, path: Path, seconds: float = _SECONDS) -> None:
    """SQLite's own check, for so long: pages, cells and their order, not every index.

    Raises:
        SpoolError: what it has found.
    """
    until = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > until, _OPCODES)
    try:
        with closing(db.execute("PRAGMA quick_check(1)")) as found:
            (told,) = found.fetchone()
    except sqlite3.OperationalError as e:
        if _code(e) == sqlite3.SQLITE_INTERRUPT:  # it is large; what was seen is sound
            return
        raise
    finally:
        db.set_progress_handler(None, 0)
    if told != "ok":
        raise SpoolError(f"{path} is damaged: {told}", REMEDY)
