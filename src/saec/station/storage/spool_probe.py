"""Whether the spool can be written and read now, found out by a thread that may hang on it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from saec.errors import SpoolError
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping

PATIENCE = 2.0
"""Seconds that who asks waits for an answer."""

_SPACE = 1.0
"""Seconds between two probes, however often it is asked."""

_MARK = "probe"
_UNASKED = 15.0
"""Seconds after which the spool is probed though nobody asks."""

log = structlog.get_logger()


class SpoolProbe:
    """Writes and reads one mark of the spool, and one file among its images; ``run`` is a thread's body.

    Args:
        spool: the spool that is probed.
        clock: seconds that do not go back.
    """

    def __init__(self, spool: Spool, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool, self._clock = spool, clock
        self._lock, self._asked = threading.Lock(), threading.Event()
        self._next: Future[str] | None = None
        self._last, self._at = "", -math.inf
        self._made = clock()
        self._n = 0
        self._begun: float | None = None

    def ask(self) -> Future[str]:
        """What is wrong with the spool, or "": the last probe's answer where it is fresh, else the next's."""
        with self._lock:
            if self._next is None:
                self._next = Future()
                if self._clock() - self._at < _SPACE:
                    fresh, self._next = self._next, None
                    fresh.set_result(self._last)
                    return fresh
            self._asked.set()
            return self._next

    async def problem(self) -> str:
        """The same for who may not wait for long."""
        answer = asyncio.shield(asyncio.wrap_future(self.ask()))
        try:
            return await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            seconds = self._clock() - max(self._at, self._made)
            return f"the spool has not answered for {seconds:.0f} s: check the disk"

    @property
    def under_way(self) -> float:
        """Seconds that a probe has been under way; 0 where none is."""
        begun = self._begun
        return 0.0 if begun is None else self._clock() - begun

    def run(self, stopping: Stopping) -> None:
        while not stopping.is_set():
            if self._asked.wait(_SPACE / 2) or self._clock() - self._at >= _UNASKED:
                self.look()
                stopping.wait(_SPACE)

    def look(self) -> None:
        """Probe now."""
        self._asked.clear()
        self._begun = self._clock()
        found = self._look()
        self._begun = None
        if found and found != self._last:
            log.error("data folder does not work", error=found)
        with self._lock:
            answer, self._next = self._next, None
            self._last, self._at = found, self._clock()
        if answer is not None:
            answer.set_result(found)

    def _look(self) -> str:
        self._n += 1
        try:
            self._spool.set_mark(_MARK, self._n)
            if self._spool.mark(_MARK) != self._n:
                raise SpoolError("the disk returns other data than were written: check or replace it")
            self._spool.images.probe()
        except (OSError, sqlite3.Error, SpoolError) as e:
            return f"the spool cannot be written and read: {e}"
        return ""
