"""A backup holds people only with the other secrets, and never what lets somebody in without a password."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from saec.station.audit.audit_log import AuditLog
from saec.station.maintenance.backup_folder import make_backup
from saec.station.maintenance.backup_restore import restore_backup
from saec.station.people import passwords
from saec.station.people.people_audit import audited
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from saec.station.setup.settings_file import read_settings
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from tests.run_fakes import make_line

SECRET = "correct horse battery"
SETTINGS = PeopleSettings(pseudonyms=True)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station with a boss who is logged in, while others write."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    make_line(tmp_path / "box" / "cell")
    config = tmp_path / "box" / "station.toml"
    config.write_text('[[line]]\nname = "cell"\nprofile = "cell"\n[people]\npseudonyms = true\n')
    data = config.parent / "station-data"
    Spool(data, (), SpoolLimits(free_gb=0)).close()
    return config


def test_people_come_along_with_secrets_and_log_in_again(site: Path, tmp_path: Path) -> None:
    data = site.parent / "station-data"
    store, sessions = PeopleStore(data, SETTINGS), Sessions(data, SETTINGS)
    boss = store.add("boss", Role.ADMIN, SECRET, note=audited(data, "shell:root", "shell"))
    token = sessions.start(boss)
    make_backup(site, read_settings(site), tmp_path / "backup", "shell:anna", "shell", now=1e9, secrets=True)
    copied = [path.name for path in (tmp_path / "backup").rglob("*") if "sqlite" in path.name]
    assert sorted(copied) == ["audit.sqlite", "people.sqlite", "pseudonyms.sqlite", "spool.sqlite"]
    restored = restore_backup(
        tmp_path / "backup", tmp_path / "other" / "station.toml", "shell:anna", "shell", now=1e9
    )
    there, other = PeopleStore(restored.data, SETTINGS), Sessions(restored.data, SETTINGS)
    assert there.log_in("boss", SECRET, "").shown == boss.shown
    assert not there.needs_setup()
    assert sessions.person_of(token) == boss
    assert other.person_of(token) is None
    assert [row.about for row in AuditLog(restored.data).rows(what="person.")] == [boss.shown]
    for one in (store, sessions, there, other):
        one.close()


def test_without_secrets_there_are_no_people_in_it(site: Path, tmp_path: Path) -> None:
    data = site.parent / "station-data"
    store = PeopleStore(data, SETTINGS)
    store.add("boss", Role.ADMIN, SECRET, note=audited(data, "shell:root", "shell"))
    store.close()
    made = make_backup(site, read_settings(site), tmp_path / "backup", "shell:anna", "shell", now=1e9)
    assert "people" in made.left_out
    assert {path.name for path in (tmp_path / "backup" / "data").iterdir()} == {
        "audit.sqlite",
        "spool.sqlite",
    }
    assert all(
        b"boss" not in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file()
    )


def test_a_database_is_copied_as_it_is_at_one_moment(site: Path, tmp_path: Path) -> None:
    data = site.parent / "station-data"
    with closing(sqlite3.connect(data / "more.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (n)")
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("BEGIN")
        db.execute("INSERT INTO t VALUES (2)")
        make_backup(site, read_settings(site), tmp_path / "backup", "shell:anna", "shell", now=1e9)
    with closing(sqlite3.connect(tmp_path / "backup" / "data" / "more.sqlite")) as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
