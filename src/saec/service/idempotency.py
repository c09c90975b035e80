"""The same request made twice is computed once, as long as its answer is remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from saec.service.requests.refusals import RequestRefused

T = TypeVar("T")
Key = tuple[str, str]
"""Whose request, and its Idempotency-Key."""


@dataclass
class _Entry(Generic[T]):
    digest: bytes
    task: asyncio.Task[T]
    waiting: int = 0


class IdempotentAnswers(Generic[T]):
    """Answers by key, the ones asked for longest ago forgotten first; for one event loop.

    A failure is not remembered: the same request is tried again.

    Args:
        size: answers that are remembered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Key, _Entry[T]] = OrderedDict()

    async def run(self, key: Key | None, digest: bytes, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer under a key, made if it is not there; a request under way is waited for.

        When nobody waits for it any more, it is cancelled.

        Args:
            key: None makes it in any case.
            digest: sha256 of the body; the same key with another body is refused.
            make: makes the answer.

        Raises:
            Refused: 422, the key belongs to another body.
        """
        if key is None:
            return await make()
        entry = self._entries.get(key)
        if entry is None:
            entry = self._begin(key, digest, make)
        elif entry.digest != digest:
            raise RequestRefused(
                422, "key_reused", "another request used this Idempotency-Key", "use each key for one request"
            )
        self._entries.move_to_end(key)
        entry.waiting += 1
        try:
            return await asyncio.shield(entry.task)
        finally:
            entry.waiting -= 1
            if not entry.waiting and not entry.task.done():
                self._forget(key, entry)
                entry.task.cancel()

    def _begin(self, key: Key, digest: bytes, make: Callable[[], Coroutine[Any, Any, T]]) -> _Entry[T]:
        entry = _Entry(digest, asyncio.create_task(make()))
        self._entries[key] = entry

        def ended(task: asyncio.Task[T]) -> None:
            if task.cancelled() or task.exception() is not None:
                self._forget(key, entry)

        entry.task.add_done_callback(ended)
        # What is under way is bounded elsewhere, by the queue.
        done = [k for k, e in self._entries.items() if e.task.done()] if self._too_many() else []
        for old in done[: max(0, len(self._entries) - self._size)]:
            del self._entries[old]
        return entry

    def _too_many(self) -> bool:
        return len(self._entries) > self._size

    def _forget(self, key: Key, entry: _Entry[T]) -> None:
        if self._entries.get(key) is entry:
            del self._entries[key]
