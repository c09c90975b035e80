"""The frames of one stage, on disk: one row for each, and which of them are done."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

MOST_PAGES = 20_000
"""Pages of a list at most, so that a plan of all of them stays small whatever the archive's size."""


class Page(NamedTuple):
    """Some rows of a list's file, one after another.

    Attributes:
        begin: the first byte.
        size: how many bytes.
    """

    begin: int
    size: int


class WorkList:
    """Rows without line breaks, in a file; numbered from 0. A bit of memory for each, and 8 bytes for a page.

    Args:
        path: the file, which is begun anew.
        rows: rows of a page; larger pages are a multiple of it.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self._rows = rows
        self._file = path.open("wb")
        self._starts = array("Q")
        self._length = self._end = self._left = 0
        self._done = bytearray()

    def __len__(self) -> int:
        """How many rows there are."""
        return self._length

    @property
    def left(self) -> int:
        """Rows that are not done."""
        return self._left

    def add(self, row: bytes) -> None:
        """Append a row."""
        if self._length % self._rows == 0:
            self._starts.append(self._end)
        self._end += self._file.write(row + b"\n")
        if self._length % 8 == 0:
            self._done.append(0)
        self._length += 1
        self._left += 1

    def close(self) -> None:
        """All rows are there; they can be read by any process."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def pages(self) -> list[Page]:
        """All rows, in pages of as many as make at most ``MOST_PAGES`` of them."""
        begins = [*self._starts[:: self._step()], self._end]
        return [Page(begin, end - begin) for begin, end in pairwise(begins)]

    def mark(self, number: int) -> bool:
        """Note that a row is done; False where it was before."""
        byte, bit = number >> 3, 1 << (number & 7)
        if self._done[byte] & bit:
            return False
        self._done[byte] |= bit
        self._left -= 1
        return True

    def rest(self) -> list[Page]:
        """The rows that are not done, each in a page of its own."""
        return [page for page, _ in self.undone()]

    def undone(self) -> Iterator[tuple[Page, bytes]]:
        """The rows that are not done, with their pages."""
        begin = 0
        with self.path.open("rb") as f:
            for number, line in enumerate(f):
                if not self._done[number >> 3] & 1 << (number & 7):
                    yield Page(begin, len(line)), line.rstrip(b"\n")
                begin += len(line)

    def sample(self, most: int) -> list[bytes]:
        """At most so many rows, spread evenly."""
        most = min(most, self._length)
        numbers = [place * self._length // most for place in range(most)]
        pages, rows = self.pages(), self._rows * self._step()
        return [read_page(self.path, pages[number // rows])[number % rows] for number in numbers]

    def _step(self) -> int:
        """How many of the smallest pages make one."""
        return -(-len(self._starts) // MOST_PAGES) or 1


def read_page(path: Path, page: Page) -> list[bytes]:
    """The rows of a page."""
    with path.open("rb") as f:
        f.seek(page.begin)
        return f.read(page.size).splitlines()
