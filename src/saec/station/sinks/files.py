"""A folder of files as a sink."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from saec.runs.verdict_log import table_cell
from saec.station.sinks.verdict_sink import AwayError, SinkSettings, sink_message
from saec.station.storage.private_files import FilePermissions, make_folder
from saec.station.storage.records import Delivery

CSV_COLUMNS = (
    "key",
    "id",
    "line",
    "part",
    "time",
    "state",
    "act",
    "label",
    "score",
    "p_defect",
    "kind",
    "kind_confidence",
    "decided_by",
    "reason",
    "sha256",
    "audit",
)


class FileSink(SinkSettings, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    """A [[sink]] of kind "files": a folder with one file a day.

    Attributes:
        path: The folder.
        format: Form of the files: JSON Lines, or CSV.
    """

    path: Path
    format: Literal["jsonl", "csv"] = "jsonl"

    def make_sink(self) -> Files:
        return Files(self)

    def output(self) -> tuple[Path, str]:
        return self.path, self.format


class Files:
    """One file a day, appended and synced; a line is whole or not there."""

    at_once = 100
    timeout = 10.0

    def __init__(self, settings: FileSink) -> None:
        self._settings = settings

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        days: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            days.setdefault(_day(delivery.verdict.time), []).append(delivery)
        try:
            make_folder(self._settings.path)
            for day, items in days.items():
                self._append(self._settings.path / f"verdicts-{day}.{self._settings.format}", items)
        except OSError as e:
            what = f"{self._settings.path} cannot be written: {e.strerror or e}"
            raise AwayError(what, "check the folder and the free space on its disk") from e

    def _append(self, path: Path, items: Sequence[Delivery]) -> None:
        fresh = not path.exists()
        with path.open("ab+", buffering=0) as f:
            if fresh:
                FilePermissions.open_up(path)
            _cut_torn_line(f)
            end = f.tell()
            data = self._csv(items, header=end == 0) if self._settings.format == "csv" else _jsonl(items)
            try:
                _write(f, data)
                os.fsync(f.fileno())
            except OSError:  # all of them come again
                f.truncate(end)
                raise

    def _csv(self, items: Sequence[Delivery], *, header: bool) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore")
        if header:
            writer.writeheader()
        for delivery in items:
            item = sink_message(delivery)
            plain = {**msgspec.to_builtins(delivery.verdict), "key": item.key, "state": item.state}
            if delivery.challenge is not None:
                plain |= {"decided_by": None, "reason": delivery.challenge.sentence()}
            plain["audit"] = None if item.audit is None else str(item.audit)
            writer.writerow(
                {name: table_cell(plain.get(name)) for name in CSV_COLUMNS} | {"act": int(item.act)}
            )
        return text.getvalue().encode()

    def close(self) -> None:
        pass


def _day(seconds: float) -> str:
    """The day of a time in UTC; a time that no calendar has (a file may bear any) has a file of its own."""
    try:
        day = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "undated"
    return day if len(day) == len("2026-01-01") and not day.startswith("-") else "undated"


def _jsonl(items: Sequence[Delivery]) -> bytes:
    return b"".join(msgspec.json.encode(sink_message(item)) + b"\n" for item in items)


def _write(f: io.FileIO, data: bytes) -> None:
    """All of it; a disk that fills up takes a part first, and refuses the next."""
    left = memoryview(data)
    while left:
        left = left[f.write(left) :]


def _cut_torn_line(f: Any) -> None:
    """Leave the file's position at its end, after a last line that is whole (a power cut may tear one)."""
    end = f.seek(0, os.SEEK_END)
    if end == 0:
        return
    f.seek(-1, os.SEEK_END)
    if f.read(1) == b"\n":
        return
    f.seek(0)
    whole = f.read().rfind(b"\n") + 1
    f.truncate(whole)
    f.seek(0, os.SEEK_END)
