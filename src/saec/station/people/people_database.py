"""The people of a station and whose pseudonyms are: two small files that several processes use at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from saec.errors import PeopleError
from saec.station.storage.database.shared_database import SharedDatabase

PEOPLE = "people.sqlite"
PSEUDONYMS = "pseudonyms.sqlite"

SET_UP = "set up"
"""The mark that there has been an admin."""

_REMEDY = "restore it, or remove it and add people again"

_PEOPLE = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    role TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, language TEXT, password TEXT,
    subject TEXT UNIQUE, seen REAL NOT NULL);
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    seen REAL NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (person, ends);
CREATE TABLE attempts (key BLOB PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE marks (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

_MAP = """
CREATE TABLE pseudonyms (
    pseudonym TEXT PRIMARY KEY, person INTEGER NOT NULL, name TEXT NOT NULL,
    since REAL NOT NULL, until REAL) WITHOUT ROWID;
CREATE INDEX pseudonyms_person ON pseudonyms (person) WHERE until IS NULL;
"""


def open_people(folder: Path) -> SharedDatabase:
    """The people's database of a data folder; made where there is none.

    Raises:
        PeopleError: it is damaged, or of another version.
    """
    return SharedDatabase(folder / PEOPLE, _PEOPLE, error=PeopleError, remedy=_REMEDY)


def open_pseudonyms(folder: Path) -> SharedDatabase:
    """Whose pseudonyms are, apart from all else; made where there is none.

    Raises:
        PeopleError: it is damaged, or of another version.
    """
    return SharedDatabase(folder / PSEUDONYMS, _MAP, error=PeopleError, remedy=_REMEDY)


def forget_log_ins(db: sqlite3.Connection) -> None:
    """Of a copy of the people's database: no session, lock or code of then is good where it is put back."""
    db.execute("PRAGMA secure_delete = ON")
    for table in ("sessions", "attempts"):
        db.execute(f"DELETE FROM {table}")
    db.execute("DELETE FROM marks WHERE name <> ?", (SET_UP,))
    db.commit()
