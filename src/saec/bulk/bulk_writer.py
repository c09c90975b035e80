"""The only writer of a bulk run: the log, its index, and the Parquet files. It runs in the driver."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from saec.bulk.verdict_index import INDEX_FILE, VerdictIndex
from saec.bulk.verdict_shards import SHARDS_FOLDER, VerdictShards
from saec.runs.run_record import VERDICTS_FILE
from saec.runs.verdict_log import VerdictLog, read_from
from saec.types import VerdictRecord

_COMMIT = 256
"""Verdicts after which the index is committed. The log has each at once."""


class BulkWriter:
    """Gives each frame exactly one verdict: one that comes twice is written once.

    Args:
        out: the run folder; its log is mended.
        retry_errors: frames without a final verdict get another.

    Raises:
        DataError: the log or the index is damaged.
        ExtraError: pyarrow is not installed.
    """

    def __init__(self, out: Path, *, retry_errors: bool = False) -> None:
        self._path = out / VERDICTS_FILE
        self.index = VerdictIndex(out / INDEX_FILE)
        self._log = VerdictLog(self._path)
        self._catch_up()
        self.index.judge_again(unfinished=retry_errors)
        self.shards = VerdictShards(out / SHARDS_FOLDER, self.index.place("shards"))
        self._open = 0
        for verdict, end in read_from(self._path, self.index.place("sharded")):
            self._shard(verdict, end)
        self.commit()

    @property
    def last(self) -> int:
        """The number of the last verdict."""
        return self._last

    def _catch_up(self) -> None:
        """Bring the index to the end of the log."""
        self._size = size = self._path.stat().st_size
        if self.index.place("indexed") > size or self.index.place("sharded") > size:
            self.index.clear()  # the log was cut: a power cut, or a hand
        self._last = self.index.place("last")
        for verdict, _ in read_from(self._path, self.index.place("indexed")):
            if verdict.replaces:
                self.index.forget(verdict.path)
            self.index.add(verdict.path, verdict.sha256, "", final=verdict.state == "final")
            self._last = max(self._last, verdict.seq)
        self.index.keep(indexed=size, last=self._last)

    def add(self, verdict: VerdictRecord, stamp: str) -> VerdictRecord | None:
        """Write a verdict, with its number; None where the frame has one already.

        Raises:
            DataError: the disk is full.
        """
        known = self.index.known(verdict.path)
        if any(frame.sha256 == verdict.sha256 for frame in known):
            return None
        replaced = self.index.add(verdict.path, verdict.sha256, stamp, final=verdict.state == "final")
        self._last += 1
        verdict = msgspec.structs.replace(verdict, seq=self._last, replaces=replaced)
        self._log.append(verdict)
        self._size = self._path.stat().st_size
        self._shard(verdict, self._size)
        self._step()
        return verdict

    def ask(self, path: str, stamp: str, row: bytes) -> None:
        """Keep a frame that waits for the cloud."""
        self.index.ask(path, stamp, row)
        self._step()

    def commit(self) -> None:
        """What was written so far is indexed on the disk."""
        self.index.keep(indexed=self._size, last=self._last)
        self.index.commit()
        self._open = 0

    def _step(self) -> None:
        self._open += 1
        if self._open >= _COMMIT:
            self.commit()

    def _shard(self, verdict: VerdictRecord, end: int) -> None:
        if self.shards.add(verdict):
            self._sharded(end)

    def _sharded(self, end: int) -> None:
        """The Parquet files hold the log up to this byte."""
        self.index.keep(shards=self.shards.written, sharded=end)
        self.commit()

    def close(self) -> None:
        """Write what is not in a Parquet file yet, and give the files back."""
        if self.shards.flush():
            self._sharded(self._size)
        self.commit()
        self.index.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
