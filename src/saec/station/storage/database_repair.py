"""A damaged database made whole: what can be read goes into a new one, and nothing else is touched.

The old files are set aside. Images whose record is lost are set aside at the next start, which counts them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import decode
from saec.errors import SpoolError
from saec.station.challenge_records import ChallengeRecord
from saec.station.storage.database.latest_verdicts import rebuild_latest
from saec.station.storage.database.schema import (
    begin_after,
    lock_folder,
    open_database,
    sync_folder,
    unused_number,
)
from saec.station.storage.database.wal import is_log_sound, rebuild_log
from saec.station.storage.private_files import give_to_owner, owner_of
from saec.station.storage.records import PartVerdict
from saec.station.storage.space.set_aside import SetAsideFiles
from saec.station.storage.storage_quota import DATABASE
from saec.types import Explanation, Pending, VerdictRecord

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError, OverflowError, MemoryError)
"""What SQLite raises where a database is damaged; the last three are lengths and texts that are none."""

_KEYS = {
    "frames": "seq",
    "verdicts": "seq",
    "words": "seq",
    "outbox": "n",
    "alarms": "n",
    "parts": "seq",
    "views": "seq",
    "challenges": "n",
}
"""Tables by number: what lies around a damaged page is read in ranges."""

_DERIVED = ("latest", "hours")
"""Tables that are made of frames and verdicts anew."""

_CHUNK = 2000
_MOST_FAILURES = 20_000
"""Questions without an answer, after which no more is hoped for from a table."""

_GAP = 100_000
"""Numbers of frames that are left out where it is unknown which were given last: none is given twice."""


@dataclass
class RepairResult:
    """What was saved: rows by table, and whether each table could be read to its end."""

    rows: dict[str, int] = field(default_factory=dict)
    whole: bool = True
    aside: Path | None = None


def repair_database(data: Path, now: float) -> RepairResult:
    """Make the database of a data folder anew from what can be read of it.

    Args:
        data: the folder of a station that does not run.
        now: seconds since the epoch.

    Raises:
        SpoolError: the station runs, or there is no database.
    """
    path = data / "spool.sqlite"
    if not path.exists():
        raise SpoolError(f"{path} does not exist", "start the station, which makes a new one")
    owner = lock_folder(data / "spool.lock")
    work = data / "repair.partial"
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        best, saved = _salvage(data, work, "as-it-is", now, fresh_head=False)
        if not saved.whole:
            other, more = _salvage(data, work, "new-head", now, fresh_head=True)
            if more.rows.get("frames", 0) > saved.rows.get("frames", 0):
                best, saved = other, more
        saved.aside = _exchange(data, best, now)
        return saved
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(owner)


def _exchange(data: Path, new: Path, now: float) -> Path:
    """Set the old files aside and put the new one in their place; the old ones lie aside before they go."""
    folder = SetAsideFiles(data).at(now)
    folder.mkdir(parents=True, exist_ok=True)
    for name in DATABASE:
        with suppress(FileNotFoundError):
            shutil.copy2(data / name, folder / name)
            sync_folder(folder / name)
    sync_folder(folder)
    for name in DATABASE[1:]:  # a log belongs to its own database alone
        (data / name).unlink(missing_ok=True)
    owner = owner_of(data / DATABASE[0])
    new.chmod(0o600)
    for path in (new, folder.parent):
        give_to_owner(path, owner)
    new.replace(data / DATABASE[0])
    sync_folder(data)
    return folder


def _salvage(data: Path, work: Path, name: str, now: float, *, fresh_head: bool) -> tuple[Path, RepairResult]:
    """Save what can be read of a copy into a new database."""
    old, new = work / f"{name}-old.sqlite", work / f"{name}.sqlite"
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(data / f"spool.sqlite{suffix}", f"{old}{suffix}")
    saved = RepairResult(whole=is_log_sound(Path(f"{old}-wal")))
    rebuild_log(Path(f"{old}-wal"))
    with closing(open_database(new)) as into:
        if fresh_head:
            _give_head(old, new)
        with closing(sqlite3.connect(old, isolation_level=None)) as db:
            db.text_factory = lambda text: text.decode("utf-8", "replace")
            into.execute("PRAGMA foreign_keys = OFF")
            for table in _tables(into):
                into.execute("BEGIN")
                saved.rows[table] = sum(_insert(into, table, row) for row in _rows(db, into, table, saved))
                into.execute("COMMIT")
        _reconcile(into, data)
        _leave_out_numbers(into, now)
        into.execute("BEGIN")
        rebuild_latest(into)
        into.execute("COMMIT")
        into.execute("PRAGMA journal_mode = DELETE")
        saved.rows = {
            table: into.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in saved.rows
        }
    return new, saved


def _give_head(old: Path, new: Path) -> None:
    """Give a database the first page of a new one, which names the same tables at the same places."""
    with closing(sqlite3.connect(new)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    page = bytearray(new.read_bytes()[:size])
    pages = old.stat().st_size // size
    page[28:32] = struct.pack(">I", pages)
    page[32:40] = bytes(8)  # its list of free pages is not known
    with old.open("r+b") as f:
        f.write(page)


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    kept = (name for (name,) in rows if name not in _DERIVED)
    return sorted(kept, key=lambda name: (name != "frames", name))


def _rows(
    db: sqlite3.Connection, into: sqlite3.Connection, table: str, saved: RepairResult
) -> Iterator[tuple[object, ...]]:
    """The rows that can be read, in the order of the new table's columns."""
    columns = ", ".join(row[1] for row in into.execute(f"PRAGMA table_info({table})"))
    if table in _KEYS:
        yield from _by_number(db, f"SELECT {columns} FROM {table}", _KEYS[table], saved)
        return
    try:
        yield from db.execute(f"SELECT {columns} FROM {table}")
    except _UNREADABLE:
        saved.whole = False


def _by_number(
    db: sqlite3.Connection, select: str, key: str, saved: RepairResult
) -> Iterator[tuple[object, ...]]:
    """Range by range; one that cannot be read is halved, down to the single row."""
    table = select.rsplit(" ", 1)[1]
    top, failures = _top(db, table, key), 0
    ranges = [(low, low + _CHUNK) for low in range(top - top % _CHUNK, -1, -_CHUNK)]
    while ranges and failures < _MOST_FAILURES:
        low, high = ranges.pop()
        try:
            found = db.execute(f"{select} WHERE {key} >= ? AND {key} < ?", (low, high)).fetchall()
        except _UNREADABLE:
            saved.whole = False
            failures += 1
            if high - low > 1:
                middle = (low + high) // 2
                ranges += [(middle, high), (low, middle)]
        else:
            yield from found


def _top(db: sqlite3.Connection, table: str, key: str) -> int:
    """The largest number in a table, as far as anything says it."""
    numbers = [0]
    for sql in (
        f"SELECT MAX({key}) FROM {table}",
        "SELECT MAX(seq) FROM sqlite_sequence",
        "SELECT MAX(seq) FROM verdicts",
    ):
        with suppress(*_UNREADABLE):
            (found,) = db.execute(sql).fetchone()
            numbers += [found] if isinstance(found, int) and 0 <= found < 10**9 else []
    return max(numbers)


def _insert(into: sqlite3.Connection, table: str, row: tuple[object, ...]) -> int:
    marks = ",".join("?" * len(row))
    try:
        return into.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount
    except (sqlite3.Error, OverflowError, UnicodeEncodeError):
        return 0


def _reconcile(into: sqlite3.Connection, data: Path) -> None:
    """What was saved of each table has to fit together again."""
    into.execute("BEGIN")
    verdicts = into.execute("SELECT seq, state, verdict FROM verdicts")
    bad = [(seq, state) for seq, state, blob in verdicts if not _decodes(blob, VerdictRecord)]
    into.executemany("DELETE FROM verdicts WHERE seq = ? AND state = ?", bad)
    words = into.execute("SELECT seq, words FROM words")
    silent = [(seq,) for seq, blob in words if not _decodes(blob, Explanation)]
    into.executemany("DELETE FROM words WHERE seq = ?", silent)
    parts = into.execute("SELECT seq, verdict FROM parts WHERE decided IS NOT NULL")
    unread = [(seq,) for seq, blob in parts if not _decodes(blob, PartVerdict)]
    into.executemany("DELETE FROM parts WHERE seq = ?", unread)  # none is decided twice
    runs = into.execute("SELECT n, record FROM challenges")
    lost = [(n,) for n, blob in runs if not _decodes(blob, ChallengeRecord)]
    into.executemany("DELETE FROM challenges WHERE n = ?", lost)
    for table in ("verdicts", "words", "parts", "views"):
        into.execute(f"DELETE FROM {table} WHERE seq NOT IN (SELECT seq FROM frames)")
    into.execute(
        "DELETE FROM outbox WHERE NOT EXISTS (SELECT 1 FROM verdicts v "
        "WHERE v.seq = outbox.seq AND v.state = outbox.state) AND NOT EXISTS (SELECT 1 FROM parts p "
        "WHERE outbox.state = 'part' AND p.seq = outbox.seq AND p.decided IS NOT NULL) "
        "AND NOT EXISTS (SELECT 1 FROM challenges c WHERE outbox.state = 'challenge' AND c.last = outbox.seq)"
    )
    images = into.execute("SELECT seq, image FROM frames WHERE image <> ''")
    bare = [(seq,) for seq, image in images if not _is_image(data, str(image))]
    into.executemany("UPDATE frames SET image = '' WHERE seq = ?", bare)
    final = "EXISTS (SELECT 1 FROM verdicts v WHERE v.seq = frames.seq AND v.state = 'final')"
    into.execute(f"UPDATE frames SET state = 'done' WHERE state <> 'done' AND {final}")
    into.execute(f"UPDATE frames SET state = 'accepted' WHERE state = 'done' AND image <> '' AND NOT {final}")
    asked = into.execute("SELECT seq, edge FROM frames WHERE state = 'asked'")
    unsaid = [(seq,) for seq, blob in asked if not _decodes(blob, Pending)]
    into.executemany("UPDATE frames SET state = 'accepted', edge = NULL WHERE seq = ?", unsaid)
    into.execute("COMMIT")


def _leave_out_numbers(into: sqlite3.Connection, now: float) -> None:
    """No number is given twice, whichever were given last."""
    for table in ("frames", "outbox", "alarms", "challenges"):
        key = _KEYS[table]
        (last,) = into.execute(f"SELECT MAX({key}) FROM {table}").fetchone()
        begin_after(into, table, unused_number(now) if last is None else last + _GAP)
    begin_after(into, "latest", unused_number(now))


def _is_image(data: Path, image: str) -> bool:
    return image.startswith("images/") and ".." not in image and (data / image).is_file()


def _decodes(blob: Any, kind: Any) -> bool:
    try:
        decode(blob, kind)
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError):
        return False
    return True
