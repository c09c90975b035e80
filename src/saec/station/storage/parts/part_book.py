"""The parts of a station that get a verdict of their own: exactly one each, whatever ends the process.

A part's frames join it when they are accepted, or with their verdict where it was the edge that read the id.
Its verdict is written in the transaction of the last verdict that it needs, or of its deadline, with its
deliveries. The table's row is decided once, so no later answer makes a second one.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from saec.decoding import decode
from saec.station.storage.alarms import add_to_counter, raise_alarm
from saec.station.storage.database.damage import decode_record
from saec.station.storage.parts.part_rules import JudgedView, PartRules, PartVisit, judge_part
from saec.station.storage.parts.verdict_watches import VerdictWatches
from saec.station.storage.records import PartVerdict, frame_id
from saec.types import VerdictRecord

_MARGIN = 0.1
"""Seconds before a part's deadline at which its verdict is made, since it must be on the disk by then. At
most a fifth of ``within_s``."""

_WORDS = {0: "good", 1: "defect", None: "an error"}

_VIEWS = (
    "SELECT frames.seq, frames.line, frames.source, (SELECT verdict FROM verdicts "
    "WHERE verdicts.seq = frames.seq ORDER BY state LIMIT 1) FROM views JOIN frames USING (seq) "
    "WHERE first = ? ORDER BY frames.seq"
)
"""The frames of a part with their newest verdicts: "final" comes before "provisional"."""


class PartBook:
    """The parts of a spool; safe to use from several threads.

    Args:
        begin: one transaction of the writing connection.
        rules: those of the lines whose parts get a verdict.
        sinks: names of the sinks that it is delivered to.
        clock: seconds since the epoch.
        steady: seconds by a clock that is never set.

    Attributes:
        listeners: called with each verdict on a part by the thread that has written it.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[sqlite3.Connection]],
        rules: Mapping[str, PartRules],
        sinks: Sequence[str],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begin, self._rules, self._sinks = begin, rules, sinks
        self._clock, self._steady = clock, steady
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}  # by the steady clock, of parts without a verdict
        self._open: dict[int, float] = {}  # of them, when their deadline is to be looked at
        self._watches: VerdictWatches[PartVerdict] = VerdictWatches()
        self.listeners: list[Callable[[PartVerdict], None]] = []

    def load(self, db: sqlite3.Connection) -> None:
        """After a start: the parts that an earlier process left without a verdict."""
        for first, line, due in db.execute("SELECT seq, line, due FROM parts WHERE decided IS NULL"):
            self._remember(first, line, due - self._clock())

    def keep_recipe(self, seq: int, recipe: int) -> None:
        """The part that a frame shows has chosen another recipe for it than the one in force.

        A frame that has a verdict keeps the recipe of that.
        """
        with self._begin() as db:
            db.execute("UPDATE frames SET recipe = ? WHERE seq = ? AND state = 'accepted'", (recipe, seq))

    # within a transaction of the spool

    def join(self, db: sqlite3.Connection, seq: int, line: str, part: str, accepted: float) -> None:
        """A frame shows a part: it is of the visit under way, or begins one.

        Args:
            accepted: when the frame was accepted, seconds since the epoch.
        """
        rules = self._rules.get(line)
        if rules is None or not part:
            return
        last = db.execute(
            "SELECT seq, begun, due FROM parts WHERE part = ? AND line = ? ORDER BY seq DESC LIMIT 1",
            (part, line),
        ).fetchone()
        first = seq
        if last is not None and last[1] - rules.within_s < accepted < last[2]:
            first = last[0]
        else:
            due = accepted + rules.within_s
            db.execute(
                "INSERT INTO parts (seq, line, part, begun, due) VALUES (?, ?, ?, ?, ?)",
                (seq, line, part, accepted, due),
            )
            self._remember(seq, line, due - self._clock())
        db.execute("INSERT OR IGNORE INTO views VALUES (?, ?)", (seq, first))

    def note(self, db: sqlite3.Connection, seq: int, verdict: VerdictRecord) -> PartVerdict | None:
        """A frame has a verdict, which is written; its part's verdict where that was all that it needed."""
        if not self._rules:
            return None
        line, accepted = db.execute("SELECT line, accepted FROM frames WHERE seq = ?", (seq,)).fetchone()
        if line not in self._rules:
            return None
        if not verdict.part:
            self._tell_unknown(db, line, frame_id(line, seq))
            return None
        joined = db.execute("SELECT first FROM views WHERE seq = ?", (seq,)).fetchone()
        if joined is None:  # the edge has read the id
            self.join(db, seq, line, verdict.part, accepted)
            joined = db.execute("SELECT first FROM views WHERE seq = ?", (seq,)).fetchone()
        return self._settle(db, joined[0], by_deadline=False)

    def _tell_unknown(self, db: sqlite3.Connection, line: str, frame: str) -> None:
        add_to_counter(db, f"partless:{line}", 1)
        text = (
            f"{line}: a frame has no part id, so it counts for no part's verdict. Check the PLC, the sender, "
            "the pattern of the file's name, or the code in the picture"
        )
        raise_alarm(db, self._clock(), "part-unknown", text, frame=frame, about=line)

    def _settle(self, db: sqlite3.Connection, first: int, *, by_deadline: bool) -> PartVerdict | None:
        """Decide a part if it can be; None where it has its verdict, or waits on."""
        row = db.execute("SELECT line, part, due, verdict FROM parts WHERE seq = ?", (first,)).fetchone()
        rules = None if row is None else self._rules.get(row[0])
        if rules is None:  # the row, or the rule, has gone
            return None
        visit, left = PartVisit(row[0], row[1], first), self._left(first, row[2])
        views = [
            JudgedView(
                frame_id(line, seq), source, None if blob is None else decode_record(db, blob, VerdictRecord)
            )
            for seq, line, source, blob in db.execute(_VIEWS, (first,)).fetchall()
        ]
        if row[3] is not None:
            self._compare(db, rules, visit, views, decode(row[3], PartVerdict))
            return None
        waits = any(view.verdict is None for view in views)
        missing = rules.missing([view.source for view in views if view.verdict is not None])
        over = left < 0 and not waits  # too late to act on: what waits for its verdict is waited for
        if not (over or (not missing and not waits) or (by_deadline and left >= 0)):
            return None
        told = judge_part(rules, visit, views, self._clock(), act=left >= 0)
        self._write(db, visit, told)
        return told

    def _write(self, db: sqlite3.Connection, visit: PartVisit, told: PartVerdict) -> None:
        now, label = told.verdict.time, told.verdict.label
        db.execute(
            "UPDATE parts SET decided = ?, act = ?, verdict = ? WHERE seq = ? AND decided IS NULL",
            (now, int(told.act), msgspec.json.encode(told), visit.first),
        )
        db.executemany(
            "INSERT INTO outbox (sink, seq, state, time) VALUES (?, ?, 'part', ?)",
            [(sink, visit.first, now) for sink in self._sinks],
        )
        name = {0: "good", 1: "defect"}.get(-1 if label is None else label, "error")
        add_to_counter(db, f"part:{visit.line}:{name}", 1)
        if label is None:
            text = f"{visit.line}: part {visit.part} has no label, as {told.verdict.note}"
            raise_alarm(db, now, "part-incomplete", text, frame=told.views[0].frame, about=visit.line)

    def _compare(
        self,
        db: sqlite3.Connection,
        rules: PartRules,
        visit: PartVisit,
        views: Sequence[JudgedView],
        told: PartVerdict,
    ) -> None:
        """A frame's verdict came after the part's: the line has acted, and a person is told if it differs."""
        now = self._clock()
        label = judge_part(rules, visit, views, now, act=False).verdict.label
        if label is not None and label != told.verdict.label:
            text = (
                f"{visit.line}: part {visit.part} was {_WORDS[told.verdict.label]} when its verdict was due; "
                f"by what came later it is {_WORDS[label]}. Look at the part"
            )
            raise_alarm(db, now, "part-differs", text, frame=views[-1].frame, about=visit.line)

    # the deadline

    def overdue(self) -> list[int]:
        """The parts whose verdict must be made now, by their first frames."""
        now = self._steady()
        with self._lock:
            return [first for first, due in self._open.items() if due <= now]

    def expire(self, first: int) -> None:
        """The time of a part is up: it is decided by what is known of it.

        Where the time was over before, as when the station was down, frames that are taken are judged first.
        """
        with self._begin() as db:
            told = self._settle(db, first, by_deadline=True)
        with self._lock:
            self._open.pop(first, None)
        self.tell(told)

    def _left(self, first: int, due: float) -> float:
        """Seconds until a part's deadline."""
        with self._lock:
            steady = self._due.get(first)
        return due - self._clock() if steady is None else steady - self._steady()

    def _remember(self, first: int, line: str, left: float) -> None:
        rules = self._rules.get(line)
        if rules is None:
            return
        with self._lock:
            self._due[first] = self._steady() + min(left, rules.within_s)
            self._open[first] = self._due[first] - min(_MARGIN, rules.within_s / 5)

    # who waits for a verdict

    def watch(self, seq: int, told: Callable[[PartVerdict], None]) -> AbstractContextManager[None]:
        """Have a function called with the verdict on the part that a frame shows, while the context lasts.

        Where the part may have its verdict already, look for it afterwards (``SpoolReader.part_of``).
        """
        return self._watches.watch(seq, told)

    def tell(self, told: PartVerdict | None) -> None:
        """A part's verdict is on the disk; None is none."""
        if told is None:
            return
        with self._lock:
            self._due.pop(told.verdict.seq, None)
            self._open.pop(told.verdict.seq, None)
        for view in told.views:
            self._watches.tell(int(view.frame.rpartition("-")[2]), told)
        for listener in self.listeners:
            listener(told)
