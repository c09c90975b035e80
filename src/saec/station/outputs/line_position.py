"""How far a line has moved: by an encoder's counts, or by the seconds in which it ran. Pure."""

from __future__ import annotations

from collections import deque
from typing import Protocol

_REMEMBERED = 10.0
"""Seconds for which positions are remembered."""


class EncoderCount:
    """Adds up the readings of a counter, over its wrap.

    A belt that runs back lowers the position. A step of more than ``most`` either way is no movement but a
    jump, as of a counter that was set to 0: the position stays, and says nothing of what was on its way.

    Args:
        values: number of the counter's values, after which it begins again with 0; 0 where it never does.
        most: counts between two readings.

    Attributes:
        position: counts since the start.
        jumps: how often it has jumped.
    """

    def __init__(self, values: int, most: int) -> None:
        self._values, self._most = values, most
        self._last: int | None = None
        self.position, self.jumps = 0, 0

    def see(self, value: int) -> bool:
        """A reading; whether it has jumped."""
        last, self._last = self._last, value
        if last is None:
            return False
        step = value - last
        if self._values:
            step = (step + self._values // 2) % self._values - self._values // 2
        if abs(step) > self._most:
            self.jumps += 1
            return True
        self.position += step
        return False


class RunningSeconds:
    """The seconds in which a line ran.

    Attributes:
        position: seconds so far.
    """

    def __init__(self) -> None:
        self.position = 0.0
        self._running, self._since = False, 0.0

    def see(self, running: bool, now: float) -> None:
        """Whether it runs, at a time in seconds; between two times it did what it did at the first."""
        if self._running:
            self.position += max(0.0, now - self._since)
        self._running, self._since = running, now


class PositionHistory:
    """Where a line was in the last seconds."""

    def __init__(self) -> None:
        self._known: deque[tuple[float, float]] = deque()

    def note(self, now: float, position: float) -> None:
        """A position; times rise."""
        self._known.append((now, position))
        while self._known[0][0] < now - _REMEMBERED:
            self._known.popleft()

    def clear(self) -> None:
        """What was is of no use any more, as after a jump."""
        self._known.clear()

    def at(self, time: float) -> float | None:
        """The position at a time, between two known ones in proportion; None before the first known one.

        After the last known one it is that one.
        """
        after: tuple[float, float] | None = None
        for known in reversed(self._known):
            if known[0] <= time:
                if after is None:
                    return known[1]
                share = (time - known[0]) / (after[0] - known[0])
                return known[1] + share * (after[1] - known[1])
            after = known
        return None


class LineAxis(Protocol):
    """On what a delay is counted: the clock's seconds, a line's running seconds, or an encoder's counts."""

    def now(self, now: float) -> float:
        """The position at this time."""
        ...

    def at(self, time: float) -> float | None:
        """The position at a time that has passed; None where it is not known."""
        ...


class ClockAxis:
    """Seconds of the clock."""

    def now(self, now: float) -> float:
        return now

    def at(self, time: float) -> float | None:
        return time
