"""Verdicts on their way to the sinks: those that wait, and dead letters, which a sink refused for good.

A dead letter waits for a person, who sends it again or drops it; the later verdicts go on meanwhile. A row
holds what is needed to send it: the verdict stands in its own table, the image is not needed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from saec.errors import SpoolError
from saec.station.challenge_records import ChallengeRecord
from saec.station.storage.alarms import add_to_counter
from saec.station.storage.database.damage import as_spool_errors, check_there, decode_record
from saec.station.storage.database.schema import SCHEMA_VERSION
from saec.station.storage.records import Backlog, DeadLetter, Delivery, PartVerdict, frame_id
from saec.types import VerdictRecord

_JOINED = (
    "FROM outbox LEFT JOIN verdicts ON verdicts.seq = outbox.seq AND verdicts.state = outbox.state "
    "LEFT JOIN parts ON outbox.state = 'part' AND parts.seq = outbox.seq "
    "LEFT JOIN challenges ON outbox.state = 'challenge' AND challenges.last = outbox.seq"
)
_ACT = (
    "COALESCE(parts.act, challenges.n * 0, verdicts.act AND NOT EXISTS "
    "(SELECT 1 FROM views WHERE views.seq = outbox.seq))"
)
"""The line acts once: on a frame, or on the part that it shows."""


class Outbox:
    """The deliveries of a spool; safe to use from several threads.

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

    # what a sink is offered

    def waiting(self, sink: str, most: int = 100, *, after: int = 0, firsts: bool = False) -> list[Delivery]:
        """What a sink has still to take, oldest first; no dead letters.

        Args:
            after: only rows with a larger n.
            firsts: only the first that waits of each frame; those may be offered out of turn.
        """
        first = (
            "AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.seq = outbox.seq AND o.sink = outbox.sink "
            "AND o.n < outbox.n AND o.dead IS NULL)"
        )
        rows = self._rows(
            f"SELECT outbox.n, sink, attempts, {_ACT}, outbox.state, "
            f"COALESCE(parts.verdict, challenges.record, verdicts.verdict) "
            f"{_JOINED} WHERE COALESCE(parts.decided, challenges.begun, verdicts.time) IS NOT NULL "
            f"AND sink = ? AND dead IS NULL AND outbox.n > ? {first if firsts else ''} "
            "ORDER BY outbox.n LIMIT ?",
            (sink, after, most),
        )
        return [
            msgspec.structs.replace(told, n=n, sink=sink, attempts=attempts, act=bool(act), state=state)
            for n, sink, attempts, act, state, blob in rows
            if (told := self._told(state, blob)) is not None
        ]

    def _told(self, state: str, blob: bytes) -> Delivery | None:
        """What is delivered, as it is kept; None where it is damaged."""
        if state == "part":
            part = decode_record(self._db, blob, PartVerdict)
            return None if part is None else Delivery(0, "", 0, False, "part", part.verdict, part=part)
        if state == "challenge":
            run = decode_record(self._db, blob, ChallengeRecord)
            return None if run is None else Delivery(0, "", 0, False, "challenge", _head(run), challenge=run)
        verdict = decode_record(self._db, blob, VerdictRecord)
        return None if verdict is None else Delivery(0, "", 0, False, "final", verdict)

    def delivered(self, ns: Sequence[int]) -> None:
        """A sink has taken these."""
        with self._begin() as db:
            db.executemany("DELETE FROM outbox WHERE n = ?", [(n,) for n in ns])

    def failed(self, ns: Sequence[int], error: str = "") -> None:
        """A sink could not take these; they stay, the attempt is counted and its error kept."""
        with self._begin() as db:
            db.executemany(
                "UPDATE outbox SET attempts = attempts + 1, error = ? WHERE n = ?", [(error, n) for n in ns]
            )

    def bury(self, n: int) -> None:
        """A sink refuses this one for good: it becomes a dead letter."""
        with self._begin() as db:
            db.execute("UPDATE outbox SET dead = ? WHERE n = ? AND dead IS NULL", (self._clock(), n))

    def backlog(self, sink: str) -> Backlog:
        """How much of a sink waits, since when, and its dead letters."""
        ((waiting,),) = self._rows("SELECT COUNT(*) FROM outbox WHERE sink = ? AND dead IS NULL", (sink,))
        ((dead,),) = self._rows("SELECT COUNT(*) FROM outbox WHERE sink = ? AND dead IS NOT NULL", (sink,))
        oldest = self._rows(
            "SELECT time FROM outbox WHERE sink = ? AND dead IS NULL ORDER BY n LIMIT 1", (sink,)
        )
        return Backlog(waiting, oldest[0][0] if oldest else None, dead)

    def trim(self, sink: str, keep: int, before: float | None = None, *, dead: bool = False) -> int:
        """Drop the oldest deliveries to a sink beyond ``keep``; how many went, which is counted.

        Args:
            before: seconds since the epoch; those that wait since earlier go as well. None drops none by age.
            dead: drop dead letters instead of those that wait.
        """
        which = f"sink = ? AND dead IS {'NOT NULL' if dead else 'NULL'}"
        with self._begin() as db:
            last = db.execute(
                f"SELECT n FROM outbox WHERE {which} ORDER BY n DESC LIMIT 1 OFFSET ?", (sink, keep)
            ).fetchone()
            gone = 0
            if last is not None:
                gone += db.execute(f"DELETE FROM outbox WHERE {which} AND n <= ?", (sink, *last)).rowcount
            if before is not None:
                gone += db.execute(f"DELETE FROM outbox WHERE {which} AND time < ?", (sink, before)).rowcount
            _count_dropped(db, sink, gone)
        return gone

    def lost(self, sinks: Sequence[str]) -> dict[str, int]:
        """How many deliveries wait for sinks that are none of these."""
        found: dict[str, int] = {}
        name: str | None = ""
        while True:  # from one name to the next, however many wait for it
            ((name,),) = self._rows("SELECT MIN(sink) FROM outbox WHERE dead IS NULL AND sink > ?", (name,))
            if name is None:
                return found
            if name not in sinks:
                found[name] = self.backlog(name).waiting

    # what a person does about dead letters

    def letters(self, sink: str | None = None, most: int = 100_000) -> list[DeadLetter]:
        """Dead letters, oldest first; of one sink, or of all."""
        where, values = ("AND sink = ?", [sink]) if sink is not None else ("", [])
        rows = self._rows(
            f"SELECT n, sink, outbox.seq, line, outbox.state, attempts, error, dead FROM outbox "
            f"JOIN frames ON frames.seq = outbox.seq WHERE dead IS NOT NULL {where} ORDER BY n LIMIT ?",
            (*values, most),
        )
        return [
            DeadLetter(n, sink, frame_id(line, seq), state, attempts, error, dead)
            for n, sink, seq, line, state, attempts, error, dead in rows
        ]

    def resend(self, ns: Sequence[int]) -> None:
        """Offer dead letters to their sink again, before what is newer."""
        with self._begin() as db:
            db.executemany("UPDATE outbox SET dead = NULL, attempts = 0 WHERE n = ?", [(n,) for n in ns])

    def set_aside(self, sink: str) -> DeadLetter | None:
        """Make a dead letter of the verdict that a sink is offered first; None where nothing waits."""
        with self._begin() as db:
            found = db.execute(
                "SELECT n FROM outbox WHERE sink = ? AND dead IS NULL ORDER BY n LIMIT 1", (sink,)
            ).fetchone()
            if found is not None:
                db.execute("UPDATE outbox SET dead = ? WHERE n = ?", (self._clock(), *found))
        return None if found is None else next(x for x in self.letters(sink) if x.n == found[0])

    def drop(self, letters: Sequence[DeadLetter]) -> None:
        """Never send these dead letters; they are counted."""
        with self._begin() as db:
            for letter in letters:
                gone = db.execute("DELETE FROM outbox WHERE n = ? AND dead IS NOT NULL", (letter.n,)).rowcount
                _count_dropped(db, letter.sink, gone)

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _head(run: ChallengeRecord) -> VerdictRecord:
    """The id, line and time of a run."""
    ended = run.begun if run.ended is None else run.ended
    return VerdictRecord(id=run.id, path="", sha256="", line=run.line, time=ended)


def _count_dropped(db: sqlite3.Connection, sink: str, by: int) -> None:
    if by:
        add_to_counter(db, f"dropped:{sink}", by)


@contextmanager
def outbox_beside(folder: Path, clock: Callable[[], float] = time.time) -> Iterator[Outbox]:
    """The outbox of a spool that a running station may own, to look at and to change.

    Raises:
        SpoolError: there is none, it is of another version, or damaged, also where that shows later.
    """
    path = folder / "spool.sqlite"
    check_there(path)
    with as_spool_errors(path):
        db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=30.0)
        with closing(db):
            yield _outbox_of(db, path, clock)


def _outbox_of(db: sqlite3.Connection, path: Path, clock: Callable[[], float]) -> Outbox:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise SpoolError(
            f"{path} has the format {version}, but this version of saec reads {SCHEMA_VERSION}",
            "use the version of saec that wrote it",
        )
    db.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def begin() -> Iterator[sqlite3.Connection]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    return Outbox(begin, db, threading.RLock(), clock)
