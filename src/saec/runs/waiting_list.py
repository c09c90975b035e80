"""Frames that wait for the cloud: any number of them, in flat memory, and the edge never waits."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path

import msgspec

from saec.decoding import decoder
from saec.frame.channels import Closable
from saec.types import Pending


class WaitingList(Closable):
    """First in, first out; the head in memory and the rest in a temporary file.

    The file needs no durability: a frame that waits has no verdict yet, so a run that is resumed
    judges it again.

    Args:
        memory: entries kept in memory.
        folder: where the temporary file is made; None takes the system's.
    """

    def __init__(self, memory: int = 1024, folder: Path | None = None) -> None:
        super().__init__()
        self._memory = memory
        self._head: deque[Pending] = deque()
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by close_file
        self._read_at = 0
        self._spilled = 0
        self._encoder = msgspec.json.Encoder()
        self._decoder = decoder(Pending)

    def __len__(self) -> int:
        return len(self._head) + self._spilled

    def put(self, pending: Pending) -> None:
        """Append an entry; never waits."""
        with self._changed:
            self._check()
            if self._spilled or len(self._head) >= self._memory:
                self._file.seek(0, 2)
                self._file.write(self._encoder.encode(pending) + b"\n")
                self._spilled += 1
            else:
                self._head.append(pending)
            self._changed.notify_all()

    def take(self, most: int) -> list[Pending]:
        """Wait for entries and take at most that many; an empty list when closed and used up."""
        with self._changed:
            self._wait_for(lambda: self._closed or len(self) > 0)
            taken: list[Pending] = []
            while len(taken) < most and len(self):
                if not self._head:
                    self._refill()
                taken.append(self._head.popleft())
            return taken

    def close_file(self) -> None:
        """Give the temporary file back; to be called when no thread uses the list any more."""
        self._file.close()

    def _refill(self) -> None:
        self._file.seek(self._read_at)
        for _ in range(min(self._memory, self._spilled)):
            self._head.append(self._decoder.decode(self._file.readline()))
            self._spilled -= 1
        self._read_at = self._file.tell()
        if not self._spilled:
            self._file.seek(0)
            self._file.truncate()
            self._read_at = 0
