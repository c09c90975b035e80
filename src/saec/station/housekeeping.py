"""The station's housekeeping: one thread that keeps the data folder in its bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import structlog

from saec.errors import SpoolError
from saec.station.orphans import Orphans
from saec.station.storage.records import Retention, SpooledFrame
from saec.station.storage.retention import Sweeper, SweepResult
from saec.station.storage.space.clock_guard import ClockGuard
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping

_SWEEP = 60.0
_PROVEN = "clock"
"""The mark under which the latest time that was proven is kept."""

log = structlog.get_logger()


class Housekeeping:
    """Removes what is no longer needed, watches the clock and what was left behind.

    Args:
        spool: the spool whose folder is kept.
        rule: what is kept for how long.
        lines: names of those in the settings.
        expire: gives a frame that waited for the cloud for too long its final verdict.
        backlogs: heed the limits of sinks, and of personal data; told the time, or None where the clock is
            not trusted.
        wall: seconds since the epoch, by a clock that can be set.
        steady: seconds by one that cannot.
        synchronised: whether the system vouches for a time; None asks the kernel.
    """

    def __init__(
        self,
        spool: Spool,
        rule: Retention,
        lines: Collection[str],
        expire: Callable[[SpooledFrame], None],
        *,
        backlogs: Sequence[Callable[[float | None], None]] = (),
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        synchronised: Callable[[float], bool] | None = None,
    ) -> None:
        self._spool, self._wall, self._steady = spool, wall, steady
        self._complained = False
        self._lines, self._expire, self._backlogs = frozenset(lines), expire, backlogs
        self.orphans = Orphans(spool, lines)
        self._guard = ClockGuard(spool.mark(_PROVEN), synchronised)
        self._sweeper = Sweeper(spool, rule, self._give_up)

    def run(self, stopping: Stopping) -> None:
        """A thread's body."""
        self._sweeper.turn = stopping.turn
        self.orphans.tell()
        while not stopping.is_set():
            swept = self.turn()
            if swept.images or swept.records or swept.expired:
                log.info(
                    "old data deleted", images=swept.images, records=swept.records, expired=swept.expired
                )
            stopping.wait(_SWEEP)

    def turn(self) -> SweepResult:
        """Look at the clock and sweep once."""
        wall, steady = self._wall(), self._steady()
        trusted, told = self._guard.look(wall, steady)
        if self._spool.mark(_PROVEN) is None:  # of a new database: what the next start is held against
            self._spool.set_mark(_PROVEN, wall)
        if told:
            self._spool.alarm("clock", told)
        self.orphans.look()
        for heed in self._backlogs:
            heed(wall if trusted else None)
        if trusted:
            self._spool.set_mark(_PROVEN, wall)
            self.orphans.give_up(wall - self._spool.limits.wait_hours * 3600)
        swept = self._sweeper.sweep(wall, trusted=trusted, steady=steady)
        self._complain()
        if swept.expired:
            text = f"{swept.expired} frames waited too long for the cloud, so the edge's labels are now final"
            self._spool.alarm("cloud-failed", text)
        return swept

    def _complain(self) -> None:
        """One alarm for a limit that is too small, as long as it is."""
        complaint = self._spool.quota.complaint()
        if complaint and not self._complained:
            self._spool.alarm("storage", complaint)
        self._complained = bool(complaint)

    def _give_up(self, frame: SpooledFrame) -> None:
        if frame.line not in self._lines:
            self.orphans.reject(frame)
            return
        try:
            self._expire(frame)
        except SpoolError as e:  # its record is damaged: it waits for the repair
            self._spool.damage.note(e.what)
