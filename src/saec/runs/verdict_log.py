"""The verdict log: JSON lines, each written whole, read back as a stream.

A frame may have several lines: a provisional verdict that was made final later, an error that was tried
again. The later ones say ``replaces``, and the last one stands; nothing is ever taken out of a log.

A line is one ``os.write`` on a file opened for appending, so a process that is killed leaves whole
lines; should the machine itself stop in the middle of one, the torn last line is cut off on resume.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from saec.decoding import decoder
from saec.errors import DataError
from saec.texts import is_utf16, mark_size, read_lines
from saec.types import VerdictRecord

CSV_COLUMNS = (
    "id",
    "path",
    "sha256",
    "line",
    "part",
    "truth",
    "label",
    "state",
    "score",
    "p_defect",
    "kind",
    "kind_confidence",
    "true_kind",
    "decided_by",
    "reason",
    "route",
    "complexity",
    "edge_label",
    "cloud_p_defect",
    "cloud_kind",
    "cloud_description",
    "ms_judging",
    "ms_waiting",
    "error",
)


class VerdictLog:
    """Appends verdicts to a log; use as a context manager.

    Args:
        path: the log; what it already holds is kept.

    Raises:
        DataError: the disk was full on append; nothing of that line remains.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._encoder = msgspec.json.Encoder()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, verdict: VerdictRecord) -> None:
        line = self._encoder.encode(verdict) + b"\n"
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise DataError(f"{self.path}: the disk is full", "free disk space, then run again with --resume")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> VerdictLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_verdicts(path: Path) -> Iterator[VerdictRecord]:
    """The standing verdict of each frame in the order in which they were made, one at a time.

    Memory grows with the frames that have several verdicts, not with the log.

    Raises:
        DataError: no such file, or a line that is no verdict.
    """
    last: dict[str, int] = {}
    for place, verdict in enumerate(_lines(path, _REPLACES)):
        if verdict is not None:
            last[verdict.id] = place
    for place, verdict in enumerate(read_all(path)):
        if last.get(verdict.id, place) == place:
            yield verdict


def read_all(path: Path) -> Iterator[VerdictRecord]:
    """Every verdict of a log in the order in which they were made, those that were replaced included.

    A last line without its newline is being written, or was torn, and is left out.

    Raises:
        DataError: no such file, or a line that is no verdict.
    """
    return (verdict for verdict in _lines(path) if verdict is not None)


def read_from(path: Path, begin: int) -> Iterator[tuple[VerdictRecord, int]]:
    """The verdicts of a log's whole lines from a byte on, at which a line begins; each with its line's end.

    Raises:
        DataError: a line that is no verdict.
    """
    read = decoder(VerdictRecord).decode
    end = begin or mark_size(path)
    for line in read_lines(path, begin=begin):
        if not line.endswith(b"\n"):
            return
        end += len(line)
        try:
            yield read(line), end
        except msgspec.DecodeError as e:
            raise DataError(
                f"{path} holds a line that is no verdict: {e}", "restore the file, or delete that row"
            ) from e


_REPLACES = b'"replaces":true'  # no text in a line reads so: in JSON its quotes would be escaped


def _lines(path: Path, only: bytes = b"") -> Iterator[VerdictRecord | None]:
    """The verdict of each line, None for those that do not contain ``only``."""
    read = decoder(VerdictRecord).decode
    if not path.is_file():
        raise DataError(f"the verdict log {path} does not exist", "name a verdicts.jsonl or a run folder")
    for number, line in enumerate(read_lines(path), 1):
        if not line.endswith(b"\n"):
            return
        try:
            verdict = read(line) if only in line else None
        except msgspec.DecodeError as e:
            raise DataError(
                f"{path}:{number} is not a verdict: {e}", "restore the file, or delete that row"
            ) from e
        yield verdict


def mend_log(path: Path) -> int:
    """Cut off a torn last line; returns the number of bytes cut.

    Raises:
        DataError: the log was saved as UTF-16, to which nothing can be added.
    """
    if not path.exists():
        return 0
    if is_utf16(path):
        raise DataError(f"{path} is UTF-16, but new verdicts are UTF-8", "save it as UTF-8")
    with path.open("r+b") as f:
        size = f.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            f.seek(start)
            newline = f.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        f.truncate(end)
    return size - end


def rewrite(path: Path, change: Callable[[VerdictRecord], VerdictRecord]) -> None:
    """Put each verdict's changed form in its place; a reader sees the old log or the new one. Atomic."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as f:
        for verdict in read_all(path):
            f.write(msgspec.json.encode(change(verdict)) + b"\n")
    partial.replace(path)


def write_csv(path: Path, verdicts: Iterable[VerdictRecord]) -> None:
    """The log as a table for a spreadsheet; what is unknown is an empty cell. Atomic."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(map(_row, verdicts))
    partial.replace(path)


def schema() -> dict[str, Any]:
    """The JSON Schema of one line of the log."""
    return msgspec.json.schema(VerdictRecord)


def _row(v: VerdictRecord) -> list[Any]:
    values = (
        *(v.id, v.path, v.sha256, v.line, v.part, v.truth, v.label, v.state, v.score, v.p_defect),
        *(v.kind, v.kind_confidence, v.true_kind, v.decided_by, v.reason),
        v.route.decision if v.route else None,
        v.complexity,
        v.edge.label if v.edge else None,
        v.cloud.p_defect if v.cloud else None,
        v.explanation.kind if v.explanation else None,
        v.explanation.description if v.explanation else None,
        v.ms.get("judging"),
        v.ms.get("waiting"),
        v.error.message if v.error else None,
    )
    return [table_cell(value) for value in values]


def table_cell(value: Any) -> Any:
    """A value for a spreadsheet; no cell starts a formula, for a file name or a kind is not ours to trust."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value
