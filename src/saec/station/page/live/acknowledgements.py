"""Who acknowledged which alarm: a table of the page's own, in DATA/page/page.sqlite.

An alarm is open while its number is above the acknowledged one of its kind and of what it is about. One that
comes again after it was acknowledged is open again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from saec.station.page.page_database import open_page_database
from saec.station.page.trouble_watch import AlarmCourse
from saec.station.storage.records import Alarm

_SCHEMA = """
CREATE TABLE IF NOT EXISTS acknowledged (
    kind TEXT NOT NULL, about TEXT NOT NULL, n INTEGER NOT NULL, person TEXT NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (kind, about)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who acknowledged an alarm last, up to which number, and when (seconds since the epoch)."""

    n: int
    person: str
    time: float


@dataclass(frozen=True, slots=True)
class JudgedAlarm:
    """An alarm, and what was done about it.

    Attributes:
        done: the last acknowledgement of its kind and subject, of this or an earlier coming; None without.
        course: whether what it tells of goes on; None where nothing tells.
    """

    alarm: Alarm
    done: Acknowledgement | None
    course: AlarmCourse | None = None

    @property
    def open(self) -> bool:
        """Whether nobody has acknowledged it since it came last."""
        return self.done is None or self.alarm.n > self.done.n


class Acknowledgements:
    """Which alarms were acknowledged; safe to use from several threads.

    Args:
        folder: the page's; made where it is missing, for this account alone.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._db = open_page_database(folder, _SCHEMA)
        self.changes = 0
        """Rises with each acknowledgement."""

    def acknowledge(self, alarm: Alarm, n: int, person: str) -> bool:
        """Note that a person has seen an alarm up to a number; False where somebody had before."""
        with self._lock:
            done = self._db.execute(
                "INSERT INTO acknowledged VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, about) DO UPDATE SET "
                "n = excluded.n, person = excluded.person, time = excluded.time WHERE excluded.n > n",
                (alarm.kind, alarm.about, n, person, self._clock()),
            )
            self.changes += done.rowcount
            return done.rowcount > 0

    def judged(self, alarms: list[Alarm]) -> list[JudgedAlarm]:
        """Each alarm with what was done about it: the open ones first, else in the order that they have."""
        with self._lock:
            rows = self._db.execute("SELECT kind, about, n, person, time FROM acknowledged").fetchall()
        done = {(kind, about): Acknowledgement(n, person, when) for kind, about, n, person, when in rows}
        found = [JudgedAlarm(alarm, done.get((alarm.kind, alarm.about))) for alarm in alarms]
        return sorted(found, key=lambda one: not one.open)

    def close(self) -> None:
        with self._lock:
            self._db.close()
