"""Bounded queues between threads that can be closed by the producer and aborted by anyone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class AbortedError(Exception):
    """The run was aborted while this thread waited; its work is dropped."""


class Channel(Generic[T]):
    """A first-in first-out queue of at most ``size`` items.

    ``queue.Queue`` cannot be closed before Python 3.13, and a thread that is blocked in its ``put``
    when the consumer has gone away never wakes. Here ``close`` ends the consumer's loop once the
    items are used up, and ``abort`` raises ``AbortedError`` in every thread that waits.

    Example:
        >>> channel: Channel[int] = Channel(2)
        >>> channel.put(1); channel.close(); list(channel)
        [1]
    """

    def __init__(self, size: int) -> None:
        self._size = max(1, size)
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False

    def put(self, item: T) -> None:
        """Append an item; waits while the queue is full."""
        with self._changed:
            self._changed.wait_for(lambda: self._aborted or len(self._items) < self._size)
            if self._aborted:
                raise AbortedError
            self._items.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Drop the items and wake every waiting thread."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._aborted or self._closed or bool(self._items))
                if self._aborted:
                    raise AbortedError
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            del item  # else the loop would hold a frame's pixels while it waits for the next
