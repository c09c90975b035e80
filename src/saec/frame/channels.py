"""What threads wait on, closed by who feeds it and aborted by anyone; and the bounded queue between two."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class AbortedError(Exception):
    """The run was aborted while this thread waited; its work is dropped."""


class Closable:
    """Threads wait on it; ``_changed`` guards what is in it and is told of each change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Wake every waiting thread with ``AbortedError``."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def _check(self) -> None:
        if self._aborted:
            raise AbortedError

    def _wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait for a change after which something holds. The caller has the lock."""
        self._changed.wait_for(lambda: self._aborted or ready())
        self._check()


class Channel(Closable, Generic[T]):
    """A first-in first-out queue of at most ``size`` items.

    ``queue.Queue`` cannot be closed before Python 3.13, and a thread that is blocked in its ``put``
    when the consumer has gone away never wakes. Here ``close`` ends the consumer's loop once the
    items are used up, and ``abort`` drops them and raises ``AbortedError`` in every thread that waits.

    Example:
        >>> channel: Channel[int] = Channel(2)
        >>> channel.put(1); channel.close(); list(channel)
        [1]
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = max(1, size)
        self._items: deque[T] = deque()

    def put(self, item: T) -> None:
        """Append an item; waits while the queue is full."""
        with self._changed:
            self._wait_for(lambda: len(self._items) < self._size)
            self._items.append(item)
            self._changed.notify_all()

    def abort(self) -> None:
        with self._changed:
            self._items.clear()
            super().abort()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._wait_for(lambda: self._closed or bool(self._items))
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            del item  # else the loop would hold a frame's pixels while it waits for the next
