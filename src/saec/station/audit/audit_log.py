"""The record of what people did to a station: DATA/audit.sqlite, to which several programs append.

The station, its page and the command line append, each by itself: SQLite gives the chain to one after the
other. No line appends, so none waits. Each call opens the database anew: actions are rare.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from saec.station.audit.audit_rows import GENESIS, Action, AuditError, AuditRow, RawRow, audit_row, chained
from saec.station.storage.private_files import give_to_owner, owner_of
from saec.station.storage.records import AuditHead

FILE = "audit.sqlite"
FORMAT = 1

_SCHEMA = """
CREATE TABLE actions (
    n INTEGER PRIMARY KEY, time REAL NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, what TEXT NOT NULL,
    about TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX actions_time ON actions (time);
"""
_CELLS = "n, time, actor, role, what, about, before, after, reason, previous, hash"
_PATIENCE, _SHORT_PATIENCE = 15.0, 1.0
"""Seconds to wait for a program that has locked the file; the second where a verdict waits meanwhile."""

_FRESH = 1.0
"""Seconds for which a head that was read is told again."""

log = structlog.get_logger()


class AuditLog:
    """The chain of a station; safe to use from several threads and processes.

    Args:
        folder: the data folder. The file is made with the first action.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self._clock = folder / FILE, clock

    def append(self, action: Action) -> AuditRow:
        """Add an action to the chain; it is on the disk when this returns.

        Raises:
            AuditError: the file cannot be written, or is no record of actions.
            ValueError: ``before`` or ``after`` is no JSON value.
        """
        if not self.path.exists():
            self._make()
        with self._opened("rw") as db:
            with contextlib.suppress(sqlite3.OperationalError):  # a backup's copy that somebody reads now
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            try:
                raw = chained(action, self._clock(), _head(db))
                db.execute(f"INSERT INTO actions ({_CELLS}) VALUES ({','.join('?' * len(raw))})", raw)
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
        return audit_row(raw)

    @contextlib.contextmanager
    def recorded(self, action: Action) -> Iterator[AuditRow]:
        """Around a change: no change is without its row.

        The row is written before the change is made. Where the change then fails, a second row says so: its
        ``what`` ends in ".failed".

        Raises:
            AuditError: the row cannot be written; the change is not begun.
        """
        row = self.append(action)
        try:
            yield row
        except BaseException as e:
            undone = {"row": row.n, "error": f"{type(e).__name__}: {e}"[:500]}
            failed = Action(
                actor=action.actor,
                role=action.role,
                what=f"{action.what}.failed",
                about=action.about,
                before=undone,
                reason=action.reason,
            )
            try:
                self.append(failed)
            except AuditError as also:
                log.error("failed change not recorded", row=row.n, error=str(also))
            raise

    def head(self, patience: float = _PATIENCE) -> AuditHead:
        """The last row.

        Args:
            patience: seconds to wait for a program that has locked the file.

        Raises:
            AuditError: the file cannot be read.
        """
        if not self.path.exists():
            return AuditHead(0, GENESIS)
        with self._opened("ro", patience) as db:
            return _head(db)

    def rows(
        self,
        before_n: int | None = None,
        most: int = 50,
        *,
        actor: str | None = None,
        what: str | None = None,
        about: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> list[AuditRow]:
        """Rows, newest first.

        Args:
            before_n: only rows of lower numbers, for the next page.
            most: how many.
            actor: only those of this actor.
            what: only actions of this kind; "line." takes all kinds that begin so.
            about: only those about this.
            since: only those of this time or later, seconds since the epoch.
            until: only those before this time.

        Raises:
            AuditError: the file cannot be read, or a row was changed.
        """
        if not self.path.exists():
            return []
        wanted: list[tuple[str, Any]] = [
            ("n < ?", before_n),
            ("actor = ?", actor),
            ("about = ?", about),
            ("time >= ?", since),
            ("time < ?", until),
        ]
        if what is not None and what.endswith("."):
            wanted += [("what >= ?", what), ("what < ?", what[:-1] + "/")]  # "/" comes after "."
        else:
            wanted.append(("what = ?", what))
        given = [(sql, value) for sql, value in wanted if value is not None]
        where = " AND ".join(sql for sql, _ in given) or "1"
        values = [value for _, value in given]
        with self._opened("ro") as db:
            found = db.execute(
                f"SELECT {_CELLS} FROM actions WHERE {where} ORDER BY n DESC LIMIT ?", (*values, most)
            ).fetchall()
        return [audit_row(raw) for raw in found]

    def walk(self, first: int = 1, last: int | None = None) -> Iterator[RawRow]:
        """Raw rows in order, as they stand in the database, whatever they are; one by one.

        Raises:
            AuditError: the file cannot be read.
        """
        if not self.path.exists():
            return
        with self._opened("ro") as db:
            db.text_factory = _text
            where, values = ("n >= ?", [first]) if first > 1 else ("1", [])
            if last is not None:
                where, values = f"{where} AND n <= ?", [*values, last]
            yield from db.execute(f"SELECT {_CELLS} FROM actions WHERE {where} ORDER BY n", values)

    def span(self, since: float | None, until: float | None) -> tuple[int, int]:
        """The first and the last number of the rows of a span of time; (1, 0) where there is none.

        Raises:
            AuditError: the file cannot be read.
        """
        if not self.path.exists():
            return 1, 0
        with self._opened("ro") as db:
            low, high = db.execute(
                "SELECT MIN(n), MAX(n) FROM actions WHERE time >= ? AND time < ?",
                (float("-inf") if since is None else since, float("inf") if until is None else until),
            ).fetchone()
        return (1, 0) if low is None else (int(low), int(high))

    def copy_to(self, target: Path) -> None:
        """The file as it is at one moment, whoever appends to it.

        Raises:
            AuditError: it cannot be read.
        """
        with self._opened("ro") as db, contextlib.closing(sqlite3.connect(target)) as copy:
            db.backup(copy)

    def _make(self) -> None:
        """The empty file, whole or not there, whoever else makes it now."""
        partial = self.path.with_name(f"{FILE}.{uuid.uuid4().hex[:8]}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
            give_to_owner(partial, owner_of(self.path.parent))
            with contextlib.suppress(FileExistsError):
                os.link(partial, self.path)
        except (OSError, sqlite3.Error) as e:
            raise self._error(e) from e
        finally:
            for left in self.path.parent.glob(f"{partial.name}*"):
                left.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _opened(self, mode: str, patience: float = _PATIENCE) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=patience,
            )
            with contextlib.closing(db):
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version != FORMAT:
                    what = f"{self.path} has the format {version}, but this version of saec reads {FORMAT}"
                    raise AuditError(what, "use the version of saec that wrote it")
                yield db
        except (OSError, sqlite3.Error) as e:
            raise self._error(e) from e

    def _error(self, error: Exception) -> AuditError:
        return AuditError(
            f"{self.path} cannot be read or written: {error}",
            "check the disk and the rights; if it is damaged, put it back from a backup",
        )


class HeadWatch:
    """The head of a chain for those who send it along, read at most once a second; never raises.

    Args:
        chain: the chain.
        failed: is told, one sentence, when it can no longer be read.
        steady: seconds by a clock that is never set.
    """

    def __init__(
        self,
        chain: AuditLog,
        failed: Callable[[str], None] = lambda text: None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain, self._tell, self._steady = chain, failed, steady
        self._lock = threading.Lock()
        self._read, self._failed = -_FRESH, ""
        self._head: AuditHead | None = None

    def now(self) -> AuditHead | None:
        """The head; the last one that could be read where it cannot be now; None where none could."""
        with self._lock:
            if self._steady() - self._read >= _FRESH:
                self._read = self._steady()
                self._look()
            return self._head

    def _look(self) -> None:
        try:
            self._head, self._failed = self._chain.head(_SHORT_PATIENCE), ""
        except AuditError as e:
            if str(e) != self._failed:
                log.error("audit head not read", error=str(e))
                self._tell(str(e))
            self._failed = str(e)


def _text(data: bytes) -> str:
    """A cell's text, also where somebody has written one that is no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def _head(db: sqlite3.Connection) -> AuditHead:
    found: Any = db.execute("SELECT n, hash FROM actions ORDER BY n DESC LIMIT 1").fetchone()
    if found is None:
        return AuditHead(0, GENESIS)
    n, own = found
    if not isinstance(own, str):
        raise AuditError(f"row {n} of the audit was changed", "run `saec audit verify`")
    return AuditHead(n, own)
