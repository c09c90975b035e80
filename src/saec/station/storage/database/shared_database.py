"""A small SQLite file that the page, the station and the command line use at once.

Each process has a connection of its own. A change is on the disk when its transaction ends, and every other
process sees it at its next read.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from saec.errors import SaecError
from saec.station.storage.database.damage import is_damage
from saec.station.storage.private_files import give_to_owner, owner_of

_VERSION = 1
_PATIENCE = 5.0
"""Seconds that a write waits for another process's; each takes milliseconds."""

_PAUSE = 0.005


class SharedDatabase:
    """One connection to the file; safe to use from several threads.

    Args:
        path: the file, which its owner alone may read.
        schema: makes its tables.
        error: the kind of what is raised.
        remedy: what helps where the file is damaged.

    Raises:
        SaecError: its kind is ``error``: the file is damaged, or of another version.
    """

    def __init__(self, path: Path, schema: str, *, error: type[SaecError], remedy: str) -> None:
        self.path, self._lock = path, threading.RLock()
        self._error, self._remedy = error, remedy
        _make_file(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE)
        try:
            self._prepare(schema)
        except sqlite3.OperationalError:  # it may pass
            self._db.close()
            raise
        except sqlite3.DatabaseError as e:
            self._db.close()
            raise error(f"{path} is damaged: {e}", remedy) from e

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._lock, self._as_damage():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is on the disk when this returns, or nothing of it ever is.

        Raises:
            sqlite3.OperationalError: another process writes for too long.
        """
        with self._lock, self._as_damage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _as_damage(self) -> Iterator[None]:
        """What is found damaged later says so, with the remedy."""
        try:
            yield
        except sqlite3.DatabaseError as e:
            if not is_damage(e):
                raise
            raise self._error(f"{self.path} is damaged: {e}", self._remedy) from e

    def write_soon(self, sql: str, values: Sequence[Any]) -> bool:
        """One change that a power cut may take back; waits neither for the disk nor for another process.

        Returns:
            whether it was made.
        """
        with self._lock:
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                self._db.execute(sql, values)
            except sqlite3.OperationalError:
                return False
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
                self._db.execute("PRAGMA synchronous = FULL")
        return True

    def _prepare(self, schema: str) -> None:
        _use_wal(self._db)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")  # a name that was deleted is gone
        with self.transaction() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in filter(str.strip, schema.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise self._error(
                    f"{self.path} has the format {version}, but this version of saec reads {_VERSION}",
                    "use the version of saec that wrote it",
                )


def _use_wal(db: sqlite3.Connection) -> None:
    """Have readers and a writer side by side. SQLite does not wait for the others here, so this does."""
    until = monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if monotonic() > until:
                raise
            sleep(_PAUSE)


def _make_file(path: Path) -> None:
    """Make the file for its owner alone; where root makes it, for whoever the folder belongs to."""
    owner = owner_of(path.parent)
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in missing:
        give_to_owner(folder, owner)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    try:
        if os.geteuid() == 0:
            os.fchown(handle, *owner)
    finally:
        os.close(handle)
