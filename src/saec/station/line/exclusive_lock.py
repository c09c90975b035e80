"""A lock for frames side by side or one alone: while a suspect is judged, no other line's frame is.

Then what ends the process meanwhile can be put down to that frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_INTERVAL = 1.0


def _unseen() -> None:
    """Nobody asks for the turns."""


class NotAloneError(Exception):
    """Frames of other lines did not end in the time that was given them."""


class ExclusiveLock:
    """A lock that is shared by many or held by one alone; one for all lines of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside, self._alone, self._waiting = 0, False, 0

    @contextmanager
    def shared(self, turn: Callable[[], None] = _unseen) -> Iterator[None]:
        """Beside the others; waits only while one is alone, or about to be.

        Args:
            turn: called at least once a second while it waits: it is the other that hangs, if one does.
        """
        with self._changed:
            while self._alone or self._waiting:
                turn()
                self._changed.wait(_INTERVAL)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, seconds: float) -> Iterator[None]:
        """Without any other; those who hold it are given ``seconds`` seconds to end.

        Raises:
            NotAloneError: they have not.
        """
        until = time.monotonic() + seconds
        with self._changed:
            self._waiting += 1
            try:
                free = self._changed.wait_for(
                    lambda: not self._inside and not self._alone, until - time.monotonic()
                )
                self._alone = self._alone or free
            finally:
                self._waiting -= 1
                self._changed.notify_all()
        if not free:
            raise NotAloneError
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
