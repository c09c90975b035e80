"""Progress of long walks: a function around an iterable, so that this room draws no bars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class ShowProgress(Protocol):
    """Gives back the items, one by one, and may show how many of ``total`` are done."""

    def __call__(self, items: Iterable[T], total: int) -> Iterable[T]: ...


def silent(items: Iterable[T], total: int) -> Iterable[T]:
    return items
