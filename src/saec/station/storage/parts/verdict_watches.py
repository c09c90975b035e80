"""Who waits for the verdict on a frame, and is told of it by the thread that has written it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class VerdictWatches(Generic[T]):
    """The functions that are called with each verdict on a frame; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[int, list[Callable[[T], None]]] = {}

    @contextmanager
    def watch(self, seq: int, told: Callable[[T], None]) -> Iterator[None]:
        """Have a function called with each verdict on a frame, while the context lasts."""
        with self._lock:
            self._told.setdefault(seq, []).append(told)
        try:
            yield
        finally:
            with self._lock:
                self._told[seq].remove(told)
                if not self._told[seq]:
                    del self._told[seq]

    def tell(self, seq: int, verdict: T) -> None:
        """A verdict on a frame is on the disk."""
        with self._lock:
            watches = list(self._told.get(seq, ()))
        for told in watches:
            told(verdict)
