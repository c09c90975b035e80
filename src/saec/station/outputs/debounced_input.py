"""An input whose contacts bounce: a level counts when it has stood for a stated time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class InputChange(NamedTuple):
    """An input's level, and since when it has it, in seconds."""

    time: float
    level: bool


class DebouncedInput:
    """The levels of one input without those that last too short.

    The level that it has first is no change: a light barrier that is dark at the start has seen no part.

    Args:
        seconds: how long a level must stand; 0 takes each.

    Attributes:
        level: the last that stood so long; None before the first reading.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._raw: InputChange | None = None
        self.level: bool | None = None

    def see(self, changes: Sequence[InputChange], now: float) -> list[InputChange]:
        """Changes that were noticed, oldest first, each from when it began.

        Args:
            changes: what the input was found to be; one that repeats the level before it changes nothing.
            now: up to when nothing else was found.
        """
        found: list[InputChange] = []
        for change in changes:
            self._settle(change.time, found)
            if self.level is None:
                self._raw, self.level = change, change.level
            elif self._raw is None or change.level != self._raw.level:
                self._raw = change
        self._settle(now, found)
        return found

    def _settle(self, now: float, found: list[InputChange]) -> None:
        raw = self._raw
        if raw is not None and raw.level != self.level and now - raw.time >= self._seconds:
            self.level = raw.level
            found.append(raw)
