"""Group commit: what comes while a group is at work makes one group more; everyone gets its own result."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from saec.errors import SpoolError
from saec.station.storage.database.group_commit import GroupCommit
from saec.station.storage.records import NewFrame, Receipt, SpoolLimits
from saec.station.storage.spool import Spool


def until(ready: object) -> None:
    tick = threading.Event()
    for _ in range(2000):
        if ready():  # type: ignore[operator]
            return
        tick.wait(0.01)
    raise AssertionError("it never came")


class Held:
    """Work that is held at its first group until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.groups.append(items)
        self.begun.set()
        assert self.go.wait(60)
        if 13 in items:
            raise ValueError("13")
        return [10 * item for item in items]


def gathered(held: Held, items: list[int]) -> list[Future[int]]:
    """Item 0 is at work, the others gather behind it; then all are let go."""
    groups: GroupCommit[int, int] = GroupCommit(held)
    with ThreadPoolExecutor(len(items) + 1) as pool:
        futures = [pool.submit(groups.do, 0)]
        assert held.begun.wait(60)
        futures += [pool.submit(groups.do, item) for item in items]
        until(lambda: len(groups._waiting) == len(items))
        held.go.set()
    return futures


def test_what_comes_while_a_group_is_at_work_is_one_group() -> None:
    held = Held()
    futures = gathered(held, [1, 2, 3, 4])
    assert [f.result() for f in futures] == [0, 10, 20, 30, 40]
    assert [sorted(group) for group in held.groups] == [[0], [1, 2, 3, 4]]


def test_a_group_that_fails_fails_for_all_of_it_and_for_no_other() -> None:
    futures = gathered(Held(), [1, 13, 2])
    assert futures[0].result() == 0
    for future in futures[1:]:
        with pytest.raises(ValueError, match="13"):
            future.result()


def test_a_burst_shares_its_syncs_and_each_frame_is_safe_before_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(free_gb=0))
    synced: set[int] = set()
    at_work, go = threading.Event(), threading.Event()
    commits: list[int] = []
    begin, fsync = spool._transaction, os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        synced.add(os.fstat(handle).st_ino)

    @contextmanager
    def transaction() -> Iterator[object]:
        files = [path for path in spool.images.folder.rglob("*") if path.is_file()]
        commits.append(len(files))
        at_work.set()
        assert go.wait(60)
        rows: list[tuple[str]] = []
        with begin() as db:
            yield db
            rows = db.execute("SELECT image FROM frames").fetchall()
            for (image,) in rows:
                path = spool.folder / image
                assert {path.stat().st_ino, path.parent.stat().st_ino} <= synced, f"{path} was not synced"

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(spool, "_transaction", transaction)

    def accept(key: str, data: bytes) -> Receipt:
        frame = NewFrame(line="bottle", source="test", key=key, suffix=".png", captured=1.0)
        return spool.accept(frame, data)

    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(accept, "first", b"first")
        assert at_work.wait(60)
        burst = [pool.submit(accept, f"{i}", b"%d" % i) for i in range(8)]
        again, other = pool.submit(accept, "3", b"3"), pool.submit(accept, "first", b"another")
        until(lambda: len(spool._rows._waiting) == 10)
        go.set()
    assert len(commits) == 2
    seqs = [future.result().seq for future in (first, *burst)]
    assert len(set(seqs)) == 9
    assert again.result().seq == seqs[4]
    assert [again.result().duplicate, burst[3].result().duplicate].count(True) == 1
    with pytest.raises(SpoolError, match="another image"):
        other.result()
    assert len([path for path in spool.images.folder.rglob("*") if path.is_file()]) == 9
    assert spool.depth()["bytes"] == 9 * 4096  # as the disk counts
    spool.close()
