"""One file for several processes: made once, and never torn."""

from __future__ import annotations

import multiprocessing
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from saec.errors import PeopleError
from saec.station.people.people_database import PEOPLE, open_people
from saec.station.storage.database import shared_database

_PROCESSES, _FOLDERS, _EACH = 4, 20, 10


def count_up(folder: Path, begin: Any) -> None:
    """Make databases at once with the others, and add to one number in each again and again."""
    for n in range(_FOLDERS):
        begin.wait(60)
        db = open_people(folder / str(n))
        for _ in range(_EACH):
            with db.transaction() as within:
                within.execute("INSERT OR IGNORE INTO marks (name, value) VALUES ('n', 0)")
                ((value,),) = within.execute("SELECT value FROM marks WHERE name = 'n'").fetchall()
                within.execute("UPDATE marks SET value = ? WHERE name = 'n'", (value + 1,))
        db.close()


def test_processes_that_make_and_write_it_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(_PROCESSES)
    processes = [context.Process(target=count_up, args=(tmp_path, begin)) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    for n in range(_FOLDERS):
        db = open_people(tmp_path / str(n))
        assert db.rows("SELECT value FROM marks WHERE name = 'n'") == [(_PROCESSES * _EACH,)]
        db.close()


class Reluctant(sqlite3.Connection):
    """Does not wait, as SQLite does while another process makes the same file."""

    refusals = 3

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql and Reluctant.refusals:
            Reluctant.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().execute(sql, *values)


def test_an_opening_waits_for_who_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(shared_database, "sleep", pauses.append)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Reluctant))
    db = open_people(tmp_path)
    assert db.rows("PRAGMA journal_mode") == [("wal",)]
    assert (len(pauses), Reluctant.refusals) == (3, 0)
    db.close()


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    db = open_people(tmp_path)
    with db.transaction() as within:
        within.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(PeopleError, match="format 9"):
        open_people(tmp_path)
    assert (tmp_path / PEOPLE).exists()


def test_what_fails_half_way_is_taken_back(tmp_path: Path) -> None:
    db = open_people(tmp_path)
    with pytest.raises(sqlite3.IntegrityError), db.transaction() as within:
        within.executemany("INSERT INTO marks (name, value) VALUES ('n', ?)", [(1,), (2,)])
    assert db.rows("SELECT * FROM marks") == []
    db.close()
