"""Which frames have a verdict, and which wait for the cloud: an SQLite file beside the log.

The log is what counts. The index is made of it: what a crash has kept out of the index is read from the end
of the log, and an index that is lost is made anew. What waits for the cloud stands here alone; where that is
lost, the edge judges the frame again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from saec.errors import DataError

INDEX_FILE = "index.sqlite"

BUSY_S = 5.0
"""Seconds to wait for a process that holds the file."""

_TABLES = """
CREATE TABLE IF NOT EXISTS frames (
    path TEXT, sha256 TEXT, stamp TEXT NOT NULL, final INTEGER NOT NULL, again INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (path, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class KnownFrame(NamedTuple):
    """A verdict that a path has.

    Attributes:
        sha256: the hash of what was judged.
        stamp: the file's stamp then.
    """

    sha256: str
    stamp: str


class VerdictIndex:
    """See the module. One process at a time writes it.

    Args:
        path: the file.

    Raises:
        DataError: it is no such index.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA cache_size = -16384")
            self._db.executescript(_TABLES)
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.DatabaseError as e:
            raise DataError(
                f"{path} cannot be used: {e}",
                "end the other run in this folder; if there is none, delete the file, and resume",
            ) from e

    def place(self, name: str) -> int:
        """A number that was kept under a name; 0 where none was."""
        found = self._db.execute("SELECT value FROM places WHERE name = ?", (name,)).fetchone()
        return found[0] if found else 0

    def keep(self, **places: int) -> None:
        """Keep numbers under names."""
        self._db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?)", places.items())

    def commit(self) -> None:
        """What was noted so far outlives this process."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def clear(self) -> None:
        """Forget everything."""
        for table in ("frames", "asked", "places"):
            self._db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Commit, and give the file back."""
        self._db.execute("COMMIT")
        self._db.close()

    def judge_again(self, *, unfinished: bool) -> None:
        """Begin a part of the run.

        Args:
            unfinished: frames without a final verdict count as unknown, and get another one.
        """
        self._db.execute("UPDATE frames SET again = ? WHERE final = 0", (int(unfinished),))

    def forget(self, path: str) -> None:
        """Forget the verdict of a path that is not final."""
        self._db.execute("DELETE FROM frames WHERE path = ? AND final = 0", (path,))

    def known(self, path: str) -> list[KnownFrame]:
        """The verdicts of a path that need no other."""
        rows = self._db.execute("SELECT sha256, stamp FROM frames WHERE path = ? AND again = 0", (path,))
        return [KnownFrame(*row) for row in rows]

    def add(self, path: str, sha256: str, stamp: str, *, final: bool) -> bool:
        """Note that a frame has a verdict now, and waits for the cloud no more.

        Returns:
            Whether it replaces one that was to be judged again.
        """
        replaced = self._db.execute("DELETE FROM frames WHERE path = ? AND again = 1", (path,)).rowcount
        self._db.execute(
            "INSERT OR REPLACE INTO frames (path, sha256, stamp, final) VALUES (?, ?, ?, ?)",
            (path, sha256, stamp, int(final)),
        )
        self._db.execute("DELETE FROM asked WHERE path = ?", (path,))
        return replaced > 0

    def ask(self, path: str, stamp: str, row: bytes) -> None:
        """Note that a frame waits for the cloud."""
        self._db.execute("INSERT OR REPLACE INTO asked VALUES (?, ?, ?)", (path, stamp, row))

    def asked_stamp(self, path: str) -> str | None:
        """The stamp of a frame that waits for the cloud; None where it does not."""
        found = self._db.execute("SELECT stamp FROM asked WHERE path = ?", (path,)).fetchone()
        return found[0] if found else None

    def waiting_count(self) -> int:
        """How many frames wait for the cloud."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM asked").fetchone()
        return int(count)

    def waiting(self) -> Iterator[bytes]:
        """The rows of the frames that wait for the cloud."""
        return (row for (row,) in self._db.execute("SELECT row FROM asked ORDER BY path"))
