"""Tells the browsers that show a running window when its numbers are others."""

from __future__ import annotations

import time
from collections.abc import Callable

from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role
from saec.station.storage.spool_reader import SpoolReader

_PAUSE = 5.0
"""Seconds between two words at least."""

_SLIDES = 60.0
"""Seconds after which a window has moved on, though no frame came."""


class CountsTopic:
    """The topic ``counts``: its text is another one each time that the numbers are others.

    Args:
        reader: one of its own.
        clock: seconds that do not go back.
    """

    def __init__(self, reader: SpoolReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._clock = reader, clock
        self._n: int | None = None
        self._said = self._turn = 0.0

    def every(self) -> list[str]:
        return ["counts"]

    def changed(self) -> list[str]:
        since = self._clock() - self._said
        if self._n is not None and since < _PAUSE:
            return []
        n = self._reader.last_change()
        if n == self._n and since < _SLIDES:
            return []
        self._n, self._said = n, self._clock()
        self._turn += 1
        return self.every()

    def text(self, name: str, words: Wording, role: Role) -> str:
        return f"{self._turn:.0f}"
