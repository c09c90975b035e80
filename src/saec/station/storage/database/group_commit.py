"""Group commit: what costs the same for one as for many is done once for all that wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Entry(Generic[T, R]):
    """One thread's item, and what came of it."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.result: R | None = None
        self.error: BaseException | None = None
        self.done = False


class GroupCommit(Generic[T, R]):
    """Threads bring items; the first does the work for all of them, and the others wait for it.

    While a group is at work the next one gathers, so a group is as large as its forerunner was slow, and an
    item that comes alone waits for nobody.

    Args:
        work: results of the items it is given, in their order; never called by two threads at once.
    """

    def __init__(self, work: Callable[[list[T]], Sequence[R]]) -> None:
        self._work = work
        self._waiting: list[_Entry[T, R]] = []
        self._gather = threading.Lock()
        self._turn = threading.Lock()

    def do(self, item: T) -> R:
        """The item's result; returns when its group is done.

        Raises:
            Exception: what the work raised; it then failed for the whole group.
        """
        entry: _Entry[T, R] = _Entry(item)
        with self._gather:
            self._waiting.append(entry)
        with self._turn:
            if not entry.done:
                self._lead()
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]  # set where there is no error

    def _lead(self) -> None:
        with self._gather:
            group, self._waiting = self._waiting, []
        try:
            results = self._work([entry.item for entry in group])
            for entry, result in zip(group, results, strict=True):
                entry.result = result
        except BaseException as e:
            for entry in group:
                entry.error = e
        finally:
            for entry in group:
                entry.done = True
