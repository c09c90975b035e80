"""Frames side by side, or one alone: a frame under suspicion is looked at while no other line's is.

Then what ends the process meanwhile can be put down to that frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 1.0


def _unseen() -> None:
    """Nobody asks for the turns."""


class OthersAtWorkError(Exception):
    """Frames of other lines did not end in the time that was given them."""


class Company:
    """Who is at work in this process; shared by all lines."""

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
                self._changed.wait(_LOOK)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, patience: float) -> Iterator[None]:
        """Without any other; those at work are given ``patience`` seconds to end.

        Raises:
            OthersAtWorkError: they have not.
        """
        until = time.monotonic() + patience
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
            raise OthersAtWorkError
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
