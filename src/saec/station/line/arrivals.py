"""The frames that wait for the edge: those that can still be in time come first.

In order of arrival alone, one pause of the station (a start with a backlog, a disk that hangs) would make
every frame after it late as well, for as long as frames come about as fast as they are judged. So a frame
whose time is up, or as good as up, waits until no other does: the line can no longer act on its verdict.
Behind all of them wait those that are under suspicion.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from saec.frame.verdicts import SUMS

TOLD = ("answer", *SUMS)
"""What is told of the times of first verdicts."""

_GAIN = 0.125
_SHORTEST, _LONGEST = 0.05, 30.0
"""Seconds of the pause before a frame is tried again, at first and at most."""

_SPARE = 2.0
"""Typical durations of a look that must be left for a frame to count as in time."""


class Arrival(NamedTuple):
    """A frame that waits.

    Attributes:
        begun: when it was accepted, seconds of the clock.
        suspect: an attempt at it has ended a decoder or the station.
        tries: how often it was put off since, as the machine could not look at it.
    """

    seq: int
    begun: float
    suspect: bool = False
    tries: int = 0


class Arrivals:
    """Frames of one line by their number; one thread takes them, any may add.

    Args:
        deadline: seconds from acceptance within which a verdict is of use.
        clock: seconds that do not go back.
    """

    def __init__(self, deadline: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._deadline, self._clock = deadline, clock
        self._fresh: deque[Arrival] = deque()
        self._late: deque[Arrival] = deque()
        self._suspects: deque[Arrival] = deque()
        self._again: list[tuple[float, Arrival]] = []
        self._parked: dict[Hashable, list[Arrival]] = {}
        self._parking = threading.Lock()
        self._unparked: deque[Arrival] = deque()
        self._arrived = threading.Event()
        self._typical = 0.0

    def add(self, seq: int, begun: float) -> None:
        """A frame was accepted at ``begun``."""
        self._fresh.append(Arrival(seq, begun))
        self._arrived.set()

    def add_late(self, seq: int) -> None:
        """A frame was accepted by an earlier process; when does not matter any more."""
        self._late.append(Arrival(seq, self._clock() - self._deadline))

    def add_suspect(self, seq: int, begun: float | None = None) -> None:
        """A frame under suspicion: it waits until no other does."""
        began = self._clock() - self._deadline if begun is None else begun
        self._suspects.append(Arrival(seq, began, suspect=True))

    def retry(self, arrival: Arrival) -> None:
        """A frame that could not be looked at: it comes again, each time after a longer pause.

        Others go on meanwhile.
        """
        pause = min(_LONGEST, _SHORTEST * 2**arrival.tries)
        due = self._clock() + pause
        heapq.heappush(self._again, (due, arrival._replace(tries=min(arrival.tries + 1, 20))))

    def park(self, key: Hashable, arrival: Arrival) -> None:
        """A frame waits for what judges it; others go on."""
        with self._parking:
            self._parked.setdefault(key, []).append(arrival)

    def unpark(self, key: Hashable) -> int:
        """What judges them is ready, or cannot be: the frames that wait for it come again; how many."""
        with self._parking:
            parked = self._parked.pop(key, [])
        self._unparked.extend(parked)
        if parked:
            self._arrived.set()
        return len(parked)

    @property
    def parked(self) -> int:
        """How many frames wait for what judges them."""
        with self._parking:
            return sum(map(len, self._parked.values()))

    def next(self, seconds: float) -> Arrival | None:
        """The frame to judge now, which is no longer kept here; waits for one for so long."""
        self._arrived.clear()
        now = self._recall()
        if not self._fresh and not self._late and not self._suspects:
            wait = min(seconds, self._again[0][0] - now) if self._again else seconds
            self._arrived.wait(max(0.0, wait))
            now = self._recall()
        limit = now - self._deadline + _SPARE * self._typical
        while self._fresh and self._fresh[0].begun < limit:
            self._late.append(self._fresh.popleft())
        queue = self._fresh or self._late or self._suspects
        return queue.popleft() if queue else None

    def observe(self, seconds: float) -> None:
        """A frame was judged, in so many seconds."""
        self._typical += _GAIN * (seconds - self._typical)

    def _recall(self) -> float:
        """Queue those again whose pause is over; the time."""
        now = self._clock()
        while self._again and self._again[0][0] <= now:
            self._queue(heapq.heappop(self._again)[1], now)
        while self._unparked:
            self._queue(self._unparked.pop(), now)  # the last first, as each goes before the others
        return now

    def _queue(self, arrival: Arrival, now: float) -> None:
        if arrival.suspect:
            self._suspects.append(arrival)
        elif arrival.begun < now - self._deadline:
            self._late.append(arrival)
        else:
            self._fresh.appendleft(arrival)


class AnswerTimes:
    """How long the line waited for the first verdict, of the last frames: in all, what of it was judging, and
    what was waiting (``saec.frame.verdicts``). Safe to read from any thread."""

    def __init__(self, kept: int = 1000) -> None:
        self._seen: deque[dict[str, float]] = deque(maxlen=kept)
        self.late = 0

    def add(self, ms: Mapping[str, float], *, late: bool) -> None:
        """A first verdict with its milliseconds was given."""
        self._seen.append({name: ms.get(name, 0.0) for name in TOLD})
        self.late += late

    def quantiles(self, name: str) -> dict[str, float] | None:
        """p50, p95 and p99 in milliseconds of one of ``TOLD``; None before the first frame."""
        seen = sorted(ms[name] for ms in self._seen.copy())
        if not seen:
            return None
        return {f"p{p}": seen[min(len(seen) - 1, len(seen) * p // 100)] for p in (50, 95, 99)}
