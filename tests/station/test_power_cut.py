"""What is written in place of something older is on the disk before it takes that place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from saec.station.line.version_store import VersionStore
from saec.station.storage.database.schema import open_database
from tests.run_fakes import make_line


class Synced:
    """Notes which files were synced, by inode, and with how many bytes; a rename of any other fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: dict[int, int] = {}
        self.renamed: list[str] = []
        self._fsync, self._replace, self._rename = os.fsync, Path.replace, Path.rename
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(Path, "replace", lambda path, to: self.move(self._replace, path, to))
        monkeypatch.setattr(Path, "rename", lambda path, to: self.move(self._rename, path, to))

    def fsync(self, handle: int) -> None:
        self._fsync(handle)
        status = os.fstat(handle)
        self.sizes[status.st_ino] = status.st_size

    def move(self, move: object, path: Path, to: Path) -> Path:
        for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
            status = entry.stat()
            assert self.sizes.get(status.st_ino) == status.st_size, f"{entry} was not synced"
        self.renamed.append(to.name)
        return move(path, to)  # type: ignore[operator]

    def has(self, path: Path) -> bool:
        return path.stat().st_ino in self.sizes


def test_versions_are_synced_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (make_line(tmp_path / name).folder for name in ("first", "second"))
    store = VersionStore(tmp_path / "lines" / "bottle")
    synced = Synced(monkeypatch)
    store.add(first)
    store.add(second)
    store.promote(2)
    assert synced.renamed == ["v1", "state.json", "v2", "state.json", "state.json"]
    assert synced.has(store.folder)
    assert store.state().current == 2


def test_opening_a_database_that_is_there_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    open_database(path).close()
    before = path.read_bytes()
    db = open_database(path)
    log = tmp_path / "spool.sqlite-wal"
    assert not log.exists() or log.stat().st_size == 0
    db.close()
    assert path.read_bytes() == before
