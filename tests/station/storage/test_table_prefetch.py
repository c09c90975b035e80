"""A table's pages of rows are found in a database's file, and nothing that stands there does harm."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.station.storage.database import table_prefetch as module
from saec.station.storage.database.table_prefetch import prefetch_table

PAGE = 512


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """Two tables whose pages alternate, of three levels each; and their first pages."""
    path = tmp_path_factory.mktemp("db") / "a.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA page_size = {PAGE}")
        db.executescript("CREATE TABLE one (text); CREATE TABLE other (text); CREATE TABLE few (text);")
        for n in range(4000):
            db.execute("INSERT INTO one VALUES (?)", (f"one {n}" + "x" * 90,))
            db.execute("INSERT INTO other VALUES (?)", ("y" * 90,))
        db.execute("INSERT INTO few VALUES (1)")
        db.commit()
        return path, dict(db.execute("SELECT name, rootpage FROM sqlite_schema"))


def asked_pages(path: Path, root: int, patch: Callable[..., None]) -> list[int]:
    asked: list[int] = []
    patch(os, "posix_fadvise", lambda handle, start, size, advice: asked.append(start // PAGE + 1))
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        prefetch_table(path, root, PAGE)
    return asked


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")
def test_all_rows_of_the_table_are_in_the_pages_that_are_asked_for(
    made: tuple[Path, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, roots = made
    asked = asked_pages(path, roots["one"], monkeypatch.setattr)
    data = path.read_bytes()
    held = b"".join(data[(n - 1) * PAGE : n * PAGE] for n in asked)
    assert len(asked) == len(set(asked)) >= 4000 * 95 // PAGE
    assert all(f"one {n}x".encode() in held for n in range(4000))
    assert b"yy" not in held
    assert asked_pages(path, roots["few"], monkeypatch.setattr) == []  # one page, which is read anyway


def test_a_file_that_is_not_open_is_left_alone(
    made: tuple[Path, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.sqlite").write_bytes(made[0].read_bytes())
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: pytest.fail("asked for"))
    prefetch_table(tmp_path / "b.sqlite", made[1]["one"], PAGE)


@given(
    where=st.floats(0, 1, exclude_max=True),
    new=st.binary(min_size=1, max_size=600),
    root=st.integers(1, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_whatever_stands_in_the_file_it_ends(
    made: tuple[Path, dict[str, int]],
    tmp_path_factory: pytest.TempPathFactory,
    where: float,
    new: bytes,
    root: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.sqlite"
    data = bytearray(made[0].read_bytes())
    at = int(where * len(data))
    data[at : at + len(new)] = new
    path.write_bytes(data)
    handle = os.open(path, os.O_RDONLY)
    last = path.stat().st_size // PAGE
    for first in (root, made[1]["one"]):
        assert all(0 < page <= last for page in module._leaves(handle, first, PAGE))
    os.close(handle)
