"""Work done ahead by threads, while its results are used one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    pool: Executor, function: Callable[[T], R], items: Iterable[T], limit: int
) -> Generator[R, None, None]:
    """The function of each item, in order, computed by the pool at most ``limit`` items ahead.

    Items are taken from their source only as there is room, so it may be endless. What was begun and is no
    longer wanted is cancelled.
    """
    source = iter(items)
    waiting: deque[Future[R]] = deque(pool.submit(function, item) for item in islice(source, limit))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()
