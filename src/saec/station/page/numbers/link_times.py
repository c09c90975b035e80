"""How long each line's link was in each state: a table of the page's own, in DATA/page/page.sqlite.

The station tells the page once a second how it does. A state lasts until the next word, but never for more
than ``LONGEST_S``: what nobody told is unknown. The length of a state comes from a clock that nobody can
set, its place in time from the station's clock. So a clock that jumps moves seconds and makes none.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import structlog

from saec.station.page.page_database import open_page_database
from saec.types import LinkState

LINK_STATES: Sequence[str] = get_args(LinkState)

LONGEST_S = 3.0
"""Seconds between two words of the station that count at most; the rest of a longer silence is unknown."""

WRITTEN_EVERY_S = 10.0
"""Seconds between two writes; so many are unknown at most where the page is killed."""

_MINUTE, _HOUR = 60, 3600

KEPT: Mapping[int, int] = {_MINUTE: 8 * 24 * 60, _HOUR: 731 * 24}
"""How many minutes and hours are kept, by their seconds: the last 8 days and two years with a word in them.

They are counted and not compared with a clock, which may be wrong.
"""

_MOST_WAITING = 20_000
"""Entries that wait for a disk that takes none; beyond it they are given up."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS link_times (
    width INTEGER NOT NULL, begin INTEGER NOT NULL, line TEXT NOT NULL, state TEXT NOT NULL,
    seconds REAL NOT NULL, PRIMARY KEY (width, begin, line, state)
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO link_times VALUES (?, ?, ?, ?, ?) ON CONFLICT (width, begin, line, state)
DO UPDATE SET seconds = min(width, seconds + excluded.seconds)
"""
_TOO_MANY = "SELECT DISTINCT begin FROM link_times WHERE width = ? ORDER BY begin DESC LIMIT 1 OFFSET ?"

log = structlog.get_logger()


class LinkTimes:
    """The seconds of each state of each line's link; safe to use from several threads.

    A line without a cloud has no link, and no seconds.

    Args:
        folder: the page's; made where it is missing, for this account alone.
        clock: seconds since the epoch.
        steady: seconds by a clock that cannot be set.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = open_page_database(folder, _SCHEMA)
        self._db.execute("PRAGMA synchronous=NORMAL")  # a write waits for no disk that the line needs
        self._clock, self._steady, self._lock = clock, steady, threading.Lock()
        self._states: Mapping[str, str] = {}
        self._told = self._written = steady()
        self._waiting: defaultdict[tuple[int, int, str, str], float] = defaultdict(float)
        self._forgot: int | None = None

    def note(self, status: Mapping[str, Any]) -> None:
        """The station has told how it does, as in ``Station.status()``: the states before end here."""
        with self._lock:
            now = self._steady()
            seconds, self._told = min(max(now - self._told, 0.0), LONGEST_S), now
            self._add(self._clock(), seconds)
            told = {name: line.get("link") for name, line in status.get("lines", {}).items()}
            self._states = {name: state for name, state in told.items() if state in LINK_STATES}
            if now - self._written >= WRITTEN_EVERY_S:
                self._write(now)

    def write(self) -> None:
        """Write what waits; where the disk takes nothing it goes on waiting."""
        with self._lock:
            self._write(self._steady())

    def between(self, since: float, until: float) -> dict[str, dict[str, float]]:
        """The seconds of each state of each line in a span of time; together at most its length.

        A part of a minute counts as that part of its seconds; a part of an hour likewise, where its minutes
        are no longer kept.

        Args:
            since, until: seconds since the epoch.
        """
        with self._lock:
            self._write(self._steady())
            found: dict[str, dict[str, float]] = {}
            (oldest,) = self._db.execute(
                "SELECT min(begin) FROM link_times WHERE width = ?", (_MINUTE,)
            ).fetchone()
            for begin, end, whole in _parts(since, until):
                fine = not whole and oldest is not None and begin >= oldest // _HOUR * _HOUR
                for line, state, seconds in self._part(begin, end, _MINUTE if fine else _HOUR):
                    sums = found.setdefault(line, dict.fromkeys(LINK_STATES, 0.0))
                    sums[state] += seconds
            return found

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        with self._lock:
            self._write(self._steady())
            self._db.close()

    def _add(self, moment: float, seconds: float) -> None:
        """Count the last seconds before a moment, each part in its minute and its hour."""
        if seconds <= 0.0 or not self._states:
            return
        edge = moment // _MINUTE * _MINUTE
        before = min(max(edge - (moment - seconds), 0.0), seconds)
        for line, state in self._states.items():
            for minute, part in ((edge, seconds - before), (edge - _MINUTE, before)):
                for width in KEPT if part > 0.0 else ():
                    self._waiting[width, int(minute // width * width), line, state] += part

    def _write(self, now: float) -> None:
        self._written = now
        if not self._waiting:
            return
        hour = max(begin for width, begin, _, _ in self._waiting if width == _HOUR)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_ADD, [(*key, seconds) for key, seconds in self._waiting.items()])
            for width, count in KEPT.items() if hour != self._forgot else ():
                self._forget(width, count)
            self._db.execute("COMMIT")
        except sqlite3.Error as e:
            log.warning("times of the links not written", error=str(e))
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.clear()
            return
        self._waiting.clear()
        self._forgot = hour

    def _forget(self, width: int, count: int) -> None:
        """Take out the oldest entries, those of an hour at once: an hour has all its minutes or none."""
        for (begin,) in self._db.execute(_TOO_MANY, (width, count)).fetchall():
            hour = begin // _HOUR * _HOUR
            self._db.execute("DELETE FROM link_times WHERE width = ? AND begin < ?", (width, hour))

    def _part(self, begin: float, end: float, width: int) -> Iterator[tuple[str, str, float]]:
        """Line, state and seconds of each entry as far as it lies in a part of time."""
        rows = self._db.execute(
            "SELECT begin, state, line, seconds, sum(seconds) OVER (PARTITION BY begin, line) "
            "FROM link_times WHERE width = ? AND begin > ? AND begin < ?",
            (width, begin - width, end),
        )
        now = self._clock()
        for first, state, line, seconds, known in rows:
            last = min(first + width, now) if now > first else first + width
            inside = min(end, last) - max(begin, first)
            if inside > 0.0:  # an hour that the clock made twice has more seconds than fit
                yield line, state, seconds * inside / max(known, last - first)


def _parts(since: float, until: float) -> Iterator[tuple[float, float, bool]]:
    """A span before its whole hours, these, and after them: begin, end, whether it is whole hours.

    The other parts lie in one hour each.
    """
    first, last = -(-since // _HOUR) * _HOUR, until // _HOUR * _HOUR
    if first > last:
        yield since, until, False
        return
    for begin, end, whole in ((since, first, False), (first, last, True), (last, until, False)):
        if begin < end:
            yield begin, end, whole
