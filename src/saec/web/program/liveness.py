"""Alive means progress: a thread makes a turn of its loop within its limit, or it is stuck.

A turn is no success. A thread that tries for weeks to reach a receiver that is not there is alive; one that
waits in a driver or on a disk for longer than its limit is not, and only a new process can help.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Protocol

import msgspec


class StuckThread(msgspec.Struct, frozen=True):
    """A thread without progress.

    Attributes:
        thread: its name.
        since: seconds since the epoch of its last turn.
        what: is wrong with it, one sentence.
    """

    thread: str
    since: float
    what: str


class Supervised(Protocol):
    """What can be asked for its progress."""

    name: str

    def stuck(self) -> StuckThread | None:
        """Why it is stuck; None while all is well. Never waits."""
        ...

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics: alive, stuck, failures, turn_s, limit_s."""
        ...


class Heartbeat:
    """When a thread made its last turn, and by when the next is due; one thread writes, any may read.

    Args:
        name: the thread's name.
        limit: seconds that a turn may take.
        clock: seconds that do not go back.
        work: what the thread does, as a person knows it; "" takes the name.
    """

    def __init__(
        self, name: str, limit: float, clock: Callable[[], float] = time.monotonic, *, work: str = ""
    ) -> None:
        self.name, self.limit, self._clock, self._work = name, limit, clock, work or name
        now = clock()
        self._last_and_due = (now, now + limit)

    def turn(self) -> None:
        """A turn begins now."""
        self.rest(0.0)

    def rest(self, seconds: float) -> None:
        """Nothing is due for so long: the thread sleeps, or has nothing to do (``math.inf``)."""
        now = self._clock()
        self._last_and_due = (now, now + seconds + self.limit)

    @property
    def age(self) -> float:
        """Seconds since the last turn."""
        return self._clock() - self._last_and_due[0]

    def stuck(self) -> StuckThread | None:
        now, (last, due) = self._clock(), self._last_and_due
        if now <= due:
            return None
        what = f"{self._work} has been stuck for {now - last:.0f} s; at most {self.limit:.0f} s are allowed"
        return StuckThread(self.name, time.time() - (now - last), what)

    def status(self, *, alive: bool, failures: int = 0) -> dict[str, Any]:
        """Plain values for page and metrics."""
        return {
            "alive": alive,
            "stuck": not alive or self.stuck() is not None,
            "failures": failures,
            "turn_s": round(self.age, 1),
            "limit_s": self.limit,
        }


class PoolHeartbeat:
    """The heartbeat of a pool: stuck when jobs are under way and none has ended for too long."""

    def __init__(self, name: str, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self._under_way, self._lock = name, 0, threading.Lock()
        self._pulse = Heartbeat(name, limit, clock)
        self._pulse.rest(math.inf)

    def add(self, job: Future[Any]) -> None:
        """A job was handed to the pool; it may go on there though nobody waits for it any more."""
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                self._pulse.turn()
        job.add_done_callback(self._end)

    def _end(self, job: Future[Any]) -> None:
        with self._lock:
            self._under_way -= 1
            self._pulse.rest(0.0 if self._under_way else math.inf)

    def stuck(self) -> StuckThread | None:
        return self._pulse.stuck()

    def status(self) -> dict[str, Any]:
        return self._pulse.status(alive=True)


def stuck_threads(living: Iterable[Supervised]) -> list[StuckThread]:
    """Those of them that are stuck."""
    return [found for one in living if (found := one.stuck()) is not None]
