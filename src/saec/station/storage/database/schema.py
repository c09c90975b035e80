"""The spool's files: schema, opening, ownership, and writing so that a power cut loses nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saec.errors import SpoolError
from saec.station.storage.database.damage import (
    REMEDY,
    Damage,
    NotingConnection,
    as_spool_errors,
    check_files,
    connect,
    quick_check,
)
from saec.station.storage.database.latest_verdicts import LATEST
from saec.station.storage.database.part_tables import CHALLENGES, PARTS

SCHEMA_VERSION = 5

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS frames (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL, source TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL,
    image TEXT NOT NULL, size INTEGER NOT NULL, captured REAL NOT NULL, accepted REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'asked', 'done')),
    edge BLOB, version TEXT NOT NULL DEFAULT '', worth INTEGER NOT NULL DEFAULT 1,
    part TEXT NOT NULL DEFAULT '', recipe INTEGER, capture BLOB, challenge TEXT NOT NULL DEFAULT '',
    UNIQUE (line, key));
CREATE INDEX IF NOT EXISTS frames_open ON frames (state, seq) WHERE state <> 'done';
CREATE INDEX IF NOT EXISTS frames_kept ON frames (seq) WHERE image <> '';
CREATE INDEX IF NOT EXISTS frames_aged ON frames (accepted) WHERE image <> '';
CREATE INDEX IF NOT EXISTS frames_bare ON frames (accepted) WHERE image = '';
CREATE INDEX IF NOT EXISTS frames_shed ON frames (worth, seq) WHERE image <> '' AND state = 'done';
CREATE INDEX IF NOT EXISTS frames_image ON frames (image) WHERE image <> '';
CREATE INDEX IF NOT EXISTS frames_part ON frames (part, seq) WHERE part <> '';
CREATE INDEX IF NOT EXISTS frames_line ON frames (line, seq);
CREATE TABLE IF NOT EXISTS verdicts (
    seq INTEGER NOT NULL REFERENCES frames (seq) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('provisional', 'final')),
    act INTEGER NOT NULL, time REAL NOT NULL, label INTEGER, verdict BLOB NOT NULL,
    PRIMARY KEY (seq, state)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suspects (
    seq INTEGER PRIMARY KEY REFERENCES frames (seq) ON DELETE CASCADE,
    attempts INTEGER NOT NULL, why TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS words (
    seq INTEGER PRIMARY KEY REFERENCES frames (seq) ON DELETE CASCADE, words BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL,
    time REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', dead REAL);
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (sink, n) WHERE dead IS NULL;
CREATE INDEX IF NOT EXISTS outbox_dead ON outbox (sink, n) WHERE dead IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_undelivered ON outbox (seq) WHERE dead IS NULL;
CREATE INDEX IF NOT EXISTS outbox_seq ON outbox (seq);
CREATE TABLE IF NOT EXISTS alarms (
    n INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, about TEXT NOT NULL, text TEXT NOT NULL,
    frames TEXT NOT NULL, count INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL);
CREATE INDEX IF NOT EXISTS alarms_kind ON alarms (kind, about, n);
CREATE INDEX IF NOT EXISTS alarms_last ON alarms (last);
CREATE TABLE IF NOT EXISTS files_left (
    line TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, sha256 TEXT NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (line, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
{PARTS}
{CHALLENGES}
{LATEST}
"""

_LOG = 8 * 1024 * 1024
"""Bytes to which the write-ahead log is cut back after a spell in which it grew."""


def lock_folder(path: Path) -> int:
    """Take the folder for this process; the handle that holds it.

    Raises:
        SpoolError: another process has it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise SpoolError(
            f"{path.parent} belongs to a station that is running",
            "stop that station, or choose another folder",
        ) from None
    return handle


@contextmanager
def alone_in(folder: Path, seconds: float = 15.0) -> Iterator[None]:
    """Change what lies in a folder as the only program that does, while others wait for their turn.

    Args:
        folder: is there.
        seconds: how long to wait for the turn.

    Raises:
        SpoolError: another program changes it for longer than that.
        OSError: the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    what = f"another program has been changing {folder} for {seconds:g} s"
                    raise SpoolError(what, "wait until it is done, or end it") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def open_database(path: Path, damage: Damage | None = None) -> NotingConnection:
    """Open or make the database, and look whether it is sound.

    Args:
        damage: is told what is noticed later.

    Raises:
        SpoolError: it is damaged, or of another version.
    """
    check_files(path)
    with as_spool_errors(path):
        db = connect(path, damage or Damage(path))
        try:
            _open(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _open(db: NotingConnection, path: Path) -> None:
    if new := db.execute("PRAGMA page_count").fetchone() == (0,):
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # it can give room back to the disk
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {_LOG}")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA cell_size_check = ON")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA_VERSION):
        raise SpoolError(
            f"{path} has the format {version}, but this version of saec reads {SCHEMA_VERSION}",
            "use the version of saec that wrote it, or choose another data folder",
        )
    if not new:
        quick_check(db, path)
    if version == 0:
        db.executescript(SCHEMA)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif missing := schema_names(SCHEMA) - {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}:
        raise SpoolError(f"{path} is damaged: it has no {', '.join(sorted(missing))}", REMEDY)


def schema_names(schema: str) -> set[str]:
    """The names of the tables, indexes and triggers that a schema makes."""
    return set(re.findall(r"CREATE (?:TABLE|INDEX|TRIGGER) IF NOT EXISTS (\w+)", schema))


def begin_after(db: sqlite3.Connection, table: str, n: int) -> None:
    """Give the next row of a table a number beyond n."""
    db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, n))


def unused_number(now: float) -> int:
    """A number that no frame of a database that is lost can have had: ten a second since 1970.

    Sinks know verdicts by the numbers of their frames, and would take a number given anew for an old one.
    """
    return int(10 * max(0.0, now))


def open_beside(path: Path, damage: Damage | None = None) -> NotingConnection:
    """A connection that reads what is committed, and does not wait while another one writes and syncs."""
    with as_spool_errors(path):
        db = connect(path, damage or Damage(path))
        db.execute("PRAGMA query_only = ON")
    return db


def write_synced(path: Path, data: bytes) -> None:
    """A new file whose bytes are on the disk; its name is there once its folder is synced as well.

    Raises:
        OSError: it cannot be written; no file is left.
    """
    try:
        with path.open("xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable, or the bytes of a file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: Exception) -> bool:
    """Whether an error says that the disk has no room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "full" in str(error)
