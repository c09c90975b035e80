"""Frames that wait for the cloud: any number of them, in flat memory, and the edge never waits."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path

import msgspec

from saec.decoding import decoder
from saec.pipeline.channel import Closable
from saec.pipeline.sources import Source
from saec.verdict import Box, CloudState, EdgeRecord, Route


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that has the edge's opinion and waits for the cloud's; its pixels stay in its file.

    Attributes:
        seq: its place in the order of routing.
        state: what was known of the cloud then.
        focus: where the anomaly map reaches the threshold and is hottest, for the cloud's explanation.
        hottest: where it is hottest, threshold or not, for what the cloud is shown.
        map: name of the saved picture.
        ms: milliseconds per stage so far.
        begun, since: when its file was read and when it began to wait, in seconds of
            ``time.perf_counter``.
        problem: what went wrong beside the verdict so far (a picture that could not be saved).
        note: what is odd about the frame.
    """

    source: Source
    sha256: str
    time: float
    edge: EdgeRecord
    route: Route
    seq: int = 0
    state: CloudState | None = None
    complexity: float | None = None
    focus: Box | None = None
    hottest: Box | None = None
    map: str | None = None
    ms: dict[str, float] = {}
    begun: float = 0.0
    since: float = 0.0
    problem: str = ""
    note: str = ""


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
