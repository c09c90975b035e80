"""A table's pages asked of the disk all at once, where the system may not have kept them in memory.

SQLite reads one page after the other and waits for each; those of one table lie scattered among the others'.
It is a hint alone: what is read here is used for nothing else, and may be stale or damaged.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

_INNER, _LEAF = 5, 13
"""First byte of a page of a table: with numbers of other pages, and with rows (the file format of SQLite)."""

_HEADER = 100
"""Bytes of the database's own head, before the first page's."""

_DEEPEST = 6


def prefetch_table(path: Path, root: int, page_size: int) -> None:
    """Have the system read a table's pages of rows; returns before they are read.

    Args:
        path: a database that this process has open. Without Linux's ``/proc`` nothing is done.
        root: the table's first page.
    """
    if sys.platform != "linux" or (handle := _open_handle(path)) is None:
        return
    with suppress(OSError):
        for page in sorted(_leaves(handle, root, page_size), reverse=True):
            os.posix_fadvise(handle, (page - 1) * page_size, page_size, os.POSIX_FADV_WILLNEED)


def _open_handle(path: Path) -> int | None:
    """SQLite's own handle of the file: to close another one would let go of the locks of this process."""
    wanted = path.stat()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(entry.name)), wanted):
                return int(entry.name)
    return None


def _leaves(handle: int, root: int, page_size: int) -> set[int]:
    """Numbers of a table's pages of rows; none where they cannot be told."""
    level, last = {root}, os.fstat(handle).st_size // page_size
    for _ in range(_DEEPEST):
        below = {child for page in level for child in _children(handle, page, page_size) if child <= last}
        if not below:
            return set()
        if os.pread(handle, 1, (min(below) - 1) * page_size) == bytes([_LEAF]):
            return below
        level = below
    return set()


def _children(handle: int, page: int, page_size: int) -> list[int]:
    data = os.pread(handle, page_size, (page - 1) * page_size)
    head = _HEADER if page == 1 else 0
    if len(data) < page_size or data[head] != _INNER:
        return []
    (count,) = struct.unpack_from(">H", data, head + 3)
    cells = data[head + 12 : head + 12 + 2 * count]
    places = [place for (place,) in struct.iter_unpack(">H", cells[: len(cells) // 2 * 2])]
    children = [data[place : place + 4] for place in (head + 8, *places)]
    return [number for child in children if (number := int.from_bytes(child, "big")) > 0]
