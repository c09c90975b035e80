"""How long the cloud takes, from what was seen of it: constant memory, one small update per request.

A request of n frames is thought to take ``a + b n`` seconds: a round trip and a start, and a share per
frame. The line through what was seen is fitted by least squares in which each older request weighs
``MEMORY`` times the next (recursive least squares with forgetting; Haykin, Adaptive Filter Theory, ch. 10),
so about the last ten requests count. Its slope is never negative, and it is zero until requests of different
sizes were seen: the estimate is then hopeful for larger ones, and the first of them mends it.

Around the line the deviation is followed as TCP follows that of its round trips (Jacobson 1988; RFC 6298):
a quarter of each new error enters it. What is promised is the mean and two deviations; the deviations of
several requests add up as those of independent ones do.
"""

from __future__ import annotations

import math

MEMORY = 0.9
"""Weight of a request relative to the one after it."""

PROMISE = 2.0
"""Deviations above the mean that are allowed for."""

_GAIN = 0.25  # of a new error in the deviation, RFC 6298


class ServiceTime:
    """Seconds of a request by its number of frames.

    Attributes:
        seen: whether any request was answered; there is no estimate before.
        deviation: mean size of the estimate's error, in seconds.
    """

    def __init__(self) -> None:
        self.seen = False
        self.deviation = 0.0
        self._weight = self._frames = self._squares = self._seconds = self._products = 0.0
        self._size = self._time = self._slope = 0.0  # the line's point and slope

    def observe(self, frames: int, seconds: float) -> None:
        """A request of so many frames was answered after so many seconds."""
        if self.seen:
            self.deviation += _GAIN * (abs(seconds - self.mean(frames)) - self.deviation)
        else:
            self.deviation = seconds / 2
            self.seen = True
        self._weight = MEMORY * self._weight + 1.0
        self._frames = MEMORY * self._frames + frames
        self._squares = MEMORY * self._squares + frames * frames
        self._seconds = MEMORY * self._seconds + seconds
        self._products = MEMORY * self._products + frames * seconds
        self._fit()

    def mean(self, frames: int) -> float:
        """Expected seconds of one request; 0 before anything was seen."""
        return max(0.0, self._time + self._slope * (frames - self._size))

    def promise(self, ahead: int, batch: int, under_way: tuple[int, float] | None) -> float:
        """Seconds after which a frame that is sent now is expected to be answered.

        Args:
            ahead: frames that wait before it.
            batch: frames of a request.
            under_way: frames of the request that is under way and the seconds since it began; requests
                follow each other.
        """
        rest, requests = 0.0, ahead // batch + 1
        if under_way is not None:
            frames, age = under_way
            rest = max(0.0, self.mean(frames) - age)
            requests += 1
        # Where the cloud is busy, later frames join this one's request and fill it.
        own = batch if ahead or under_way is not None else 1
        full = ahead // batch
        before = rest + full * self.mean(batch) if full else rest
        return before + self.mean(own) + PROMISE * self.deviation * math.sqrt(requests)

    def _fit(self) -> None:
        self._size, self._time = self._frames / self._weight, self._seconds / self._weight
        spread = self._squares / self._weight - self._size**2
        together = self._products / self._weight - self._size * self._time
        self._slope = max(0.0, together / spread) if spread > 1e-3 else 0.0
