"""A connection for questions that take long: who asks them keeps nobody else from the spool."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saec.station.storage.database.damage import Damage, as_spool_errors
from saec.station.storage.database.schema import open_beside
from saec.station.storage.database.table_prefetch import prefetch_table


class SideReader:
    """Reads a spool's database by a connection of its own; safe to use from several threads.

    Each question is one short read transaction, so the log of the database can be cut back between two.

    Args:
        path: the database; opened at the first question.
        damage: is told of it.
    """

    def __init__(self, path: Path, damage: Damage | None = None) -> None:
        self._path, self._damage = path, damage
        self._db: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of an answer.

        Raises:
            SpoolError: the database is damaged, or cannot be read.
        """
        with self._lock, as_spool_errors(self._path):
            return self._opened().execute(sql, values).fetchall()

    def prefetch(self, table: str) -> None:
        """Have the disk read a table that is about to be looked through."""
        with self._lock, as_spool_errors(self._path):
            db = self._opened()
            (size,) = db.execute("PRAGMA page_size").fetchone()
            (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
            prefetch_table(self._path, root, size)

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_beside(self._path, self._damage)
        return self._db

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
