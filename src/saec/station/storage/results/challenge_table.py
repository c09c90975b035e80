"""The runs of challenges: each has one row from its begin on, and one result, whatever ends the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec

from saec.decoding import decode
from saec.station.challenge_records import ChallengeRecord
from saec.station.storage.alarms import add_to_counter, raise_alarm
from saec.station.storage.database.damage import decode_record
from saec.station.storage.database.side_reader import SideReader

_KEPT = 2000
"""Runs of a line; beyond it the oldest go."""

CUT_SHORT = "the station ended while it ran"


class ChallengeTable:
    """The runs of a spool; safe to use from several threads.

    Args:
        begin: one transaction of the writing connection.
        sinks: names of the sinks that results are delivered to.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[sqlite3.Connection]],
        sinks: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self._begin, self._sinks, self._clock = begin, sinks, clock

    def open(self, record: ChallengeRecord) -> ChallengeRecord:
        """A run begins; the same with its number."""
        with self._begin() as db:
            ((n,),) = db.execute(
                "INSERT INTO challenges (line, begun, state, record) "
                "VALUES (?, ?, 'running', x'') RETURNING n",
                (record.line, record.begun),
            ).fetchall()
            opened = msgspec.structs.replace(record, n=n)
            db.execute("UPDATE challenges SET record = ? WHERE n = ?", (msgspec.json.encode(opened), n))
            db.execute(
                "DELETE FROM challenges WHERE line = ? AND n <= ? AND state <> 'running' AND n NOT IN "
                "(SELECT n FROM challenges WHERE line = ? ORDER BY n DESC LIMIT ?)",
                (record.line, n, record.line, _KEPT),
            )
        return opened

    def end(self, record: ChallengeRecord, alarm: tuple[str, str] | None = None) -> bool:
        """A run has its result, which is final; its alarm and its deliveries are written with it.

        Returns:
            False, and nothing is written, where it has one.
        """
        with self._begin() as db:
            changed = db.execute(
                "UPDATE challenges SET state = ?, last = ?, record = ? WHERE n = ? AND state = 'running'",
                (record.state, record.last, msgspec.json.encode(record), record.n),
            ).rowcount
            if not changed:
                return False
            now = self._clock()
            if record.last:
                db.executemany(
                    "INSERT INTO outbox (sink, seq, state, time) VALUES (?, ?, 'challenge', ?)",
                    [(sink, record.last, now) for sink in self._sinks],
                )
            add_to_counter(db, f"challenge:{record.line}:{record.state}", 1)
            if alarm is not None:
                raise_alarm(db, now, *alarm, about=record.line)
        return True

    def cut_short(self) -> list[ChallengeRecord]:
        """After a start: the runs that an earlier process left without a result."""
        with self._begin() as db:
            return _running(db)


def _running(db: sqlite3.Connection) -> list[ChallengeRecord]:
    rows = db.execute("SELECT record FROM challenges WHERE state = 'running' ORDER BY n").fetchall()
    found = [decode_record(db, blob, ChallengeRecord) for (blob,) in rows]
    return [record for record in found if record is not None]


def newest_runs(
    db: SideReader, line: str | None, most: int, before: int | None = None
) -> list[ChallengeRecord]:
    """Runs, newest first; of one line, and with a smaller number than ``before``, where these are given."""
    where = (
        "TRUE" + (" AND line = ?" if line is not None else "") + (" AND n < ?" if before is not None else "")
    )
    values = [*([line] if line is not None else []), *([before] if before is not None else []), most]
    rows = db.rows(f"SELECT record FROM challenges WHERE {where} ORDER BY n DESC LIMIT ?", values)
    return [decode(blob, ChallengeRecord) for (blob,) in rows]
