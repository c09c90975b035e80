"""The frames that wait for the edge: those that can still be in time come first.

In order of arrival alone, one pause of the station (a start with a backlog, a disk that hangs) would make
every frame after it late as well, for as long as frames come about as fast as they are judged. So a frame
whose time is up, or as good as up, waits until no other does: the line can no longer act on its verdict.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_GAIN = 0.125
_SPARE = 2.0
"""Typical durations of a look that must be left for a frame to count as in time."""


class Arrivals:
    """Frames of one line by their number; one thread takes them, any may add.

    Args:
        deadline: seconds from acceptance within which a verdict is of use.
        clock: seconds that do not go back.
    """

    def __init__(self, deadline: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._deadline, self._clock = deadline, clock
        self._fresh: deque[tuple[int, float]] = deque()
        self._late: deque[tuple[int, float]] = deque()
        self._arrived = threading.Event()
        self._typical = 0.0

    def add(self, seq: int, begun: float) -> None:
        """A frame was accepted at ``begun``."""
        self._fresh.append((seq, begun))
        self._arrived.set()

    def add_late(self, seq: int) -> None:
        """A frame was accepted by an earlier process; when does not matter any more."""
        self._late.append((seq, self._clock() - self._deadline))

    def next(self, seconds: float) -> tuple[int, float] | None:
        """The frame to judge now and when it was accepted; waits for one for so long.

        It stays first until it is ``done``, so that a failure loses none.
        """
        self._arrived.clear()
        if not self._fresh and not self._late:
            self._arrived.wait(seconds)
        limit = self._clock() - self._deadline + _SPARE * self._typical
        while self._fresh and self._fresh[0][1] < limit:
            self._late.append(self._fresh.popleft())
        queue = self._fresh or self._late
        return queue[0] if queue else None

    def done(self, seq: int, took: float) -> None:
        """The frame that ``next`` gave was judged, in so many seconds."""
        self._typical += _GAIN * (took - self._typical)
        queue = self._fresh if self._fresh and self._fresh[0][0] == seq else self._late
        queue.popleft()


class Answers:
    """How long the line waited for the first verdict, of the last frames; safe to read from any thread."""

    def __init__(self, kept: int = 1000) -> None:
        self._seconds: deque[float] = deque(maxlen=kept)
        self.late = 0

    def add(self, seconds: float, *, late: bool) -> None:
        self._seconds.append(seconds)
        self.late += late

    def quantiles(self) -> dict[str, float] | None:
        """p50, p95 and p99 in milliseconds; None before the first frame."""
        seen = sorted(self._seconds.copy())
        if not seen:
            return None
        return {f"p{p}": 1e3 * seen[min(len(seen) - 1, len(seen) * p // 100)] for p in (50, 95, 99)}
