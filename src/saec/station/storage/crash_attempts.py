"""Frames under suspicion: what ended a decoder or the station while it was at work on them, and how often.

An attempt counts only where nothing else can have been the cause. A frame that has used up its attempts is
in quarantine: it has its final verdict, an error, and its image is kept for who looks into it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

MOST_ATTEMPTS = 3
"""Attempts that count, after which a frame is in quarantine."""

QUARANTINED = "QuarantinedError"
"""Kind of the error in the verdict of such a frame."""


class SuspectFrame(msgspec.Struct, frozen=True):
    """A frame under suspicion: its attempts that counted, and what happened at the last one."""

    seq: int
    attempts: int
    why: str


class CrashAttempts:
    """The suspects of a spool; safe to use from several threads.

    Args:
        begin: one transaction of the writing connection.
        db: the reading connection, and ``lock`` of it.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[sqlite3.Connection]],
        db: sqlite3.Connection,
        lock: threading.RLock,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._begin, self._db, self._lock, self._clock = begin, db, lock, clock

    def add(self, seq: int, why: str, *, counted: bool) -> int:
        """A frame is under suspicion; its attempts that counted until now.

        Args:
            counted: nothing but this frame can have been the cause.
        """
        with self._begin() as db:
            ((attempts,),) = db.execute(
                "INSERT INTO suspects (seq, attempts, why, time) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (seq) DO UPDATE SET attempts = attempts + excluded.attempts, "
                "why = excluded.why, time = excluded.time RETURNING attempts",
                (seq, int(counted), why, self._clock()),
            ).fetchall()
        return int(attempts)

    def of_line(self, line: str) -> list[SuspectFrame]:
        """A line's suspects that have no verdict, in their order of arrival."""
        with self._lock:
            rows = self._db.execute(
                "SELECT suspects.seq, attempts, why FROM suspects JOIN frames USING (seq) "
                "WHERE line = ? AND state = 'accepted' ORDER BY suspects.seq",
                (line,),
            ).fetchall()
        return [SuspectFrame(*row) for row in rows]

    def clear(self, seq: int) -> None:
        """The frame is under suspicion no longer: it was judged, or was released from quarantine."""
        with self._begin() as db:
            db.execute("DELETE FROM suspects WHERE seq = ?", (seq,))


def read_quarantine(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """The frames in quarantine and why, oldest first."""
    return db.execute(
        "SELECT seq, why FROM suspects JOIN frames USING (seq) WHERE state = 'done' AND attempts >= ? "
        "ORDER BY seq",
        (MOST_ATTEMPTS,),
    ).fetchall()
