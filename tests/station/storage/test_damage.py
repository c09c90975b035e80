"""A damaged database is named and never costs an image; what can be read of it is saved."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saec.errors import SpoolError, SpoolFullError
from saec.station.storage.database import damage
from saec.station.storage.database_repair import repair_database
from saec.station.storage.outbox import outbox_beside
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from saec.types import VerdictRecord

FRAMES = 120
LIMITS = SpoolLimits(free_gb=0)


def open_spool(folder: Path) -> Spool:
    return Spool(folder, ("log",), LIMITS)


def accept(spool: Spool, key: str) -> int:
    frame = NewFrame(line="cell", source="test", key=key, suffix=".png", captured=1.0)
    return spool.accept(frame, key.encode()).seq


def verdict(seq: int) -> VerdictRecord:
    return VerdictRecord(
        id=f"cell-{seq:010d}", path="x" * 300, sha256="", line="cell", time=1.0, label=seq % 2
    )


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a station that was killed has left: a database, and a log with the last that was acknowledged."""
    folder, left = tmp_path_factory.mktemp("held"), tmp_path_factory.mktemp("left") / "data"
    spool = open_spool(folder)
    for n in range(FRAMES):
        seq = accept(spool, f"part-{n}")
        if n < FRAMES - 10:
            spool.decide(seq, "final", verdict(seq))
        if n == FRAMES // 2:
            spool._writer.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(folder, left)
    spool.close()
    return left


@pytest.fixture
def data(held: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(held, tmp_path / "data"))


def images(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*.png"))


def read_all(spool: Spool) -> None:
    """Read each frame with its verdicts."""
    for state in ("accepted", "asked", "done"):
        for frame in spool.frames(state, most=FRAMES):
            spool.verdicts(frame.seq)


ALL = sorted(f"part-{n}".encode() for n in range(FRAMES))


def overwrite(path: Path, at: int, new: bytes) -> None:
    with path.open("r+b") as f:
        f.seek(at)
        f.write(new)


def pages_of(data: Path, table: str = "") -> list[int]:
    """The root page of a table, or all pages but the first; what the log held stands in them now."""
    with closing(sqlite3.connect(data / "spool.sqlite")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if table:
            return list(db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone())
        return list(range(2, db.execute("PRAGMA page_count").fetchone()[0] + 1))


def page(data: Path, n: int) -> None:
    overwrite(data / "spool.sqlite", (n - 1) * 4096, os.urandom(4096))


def root_of(table: str) -> Callable[[Path], None]:
    return lambda data: page(data, *pages_of(data, table))


def head(at: int, new: bytes) -> Callable[[Path], None]:
    def damage_it(data: Path) -> None:
        pages_of(data)  # else the log may hold a sound first page
        overwrite(data / "spool.sqlite", at, new)

    return damage_it


def first_page(data: Path) -> None:
    pages_of(data)
    page(data, 1)


@pytest.mark.parametrize(
    "damage_it",
    [
        first_page,
        root_of("frames"),
        root_of("frames_open"),
        root_of("verdicts"),
        head(0, b"no database"),
        lambda data: (data / "spool.sqlite").write_bytes(b""),
        lambda data: (data / "spool.sqlite").write_bytes(os.urandom(100_000)),
        lambda data: os.truncate(data / "spool.sqlite", 3 * 4096),
        lambda data: overwrite(data / "spool.sqlite-wal", 0, os.urandom(32)),
        lambda data: overwrite(data / "spool.sqlite-wal", 5000, os.urandom(100)),
        head(100, bytes(3996)),
    ],
    ids=[
        *("first-page", "frames", "an-index", "verdicts", "header", "empty", "random", "cut-off"),
        *("log-head", "log-frame", "no-schema"),
    ],
)
def test_damage_is_named_at_the_start_and_repaired_without_losing_an_image(
    data: Path, damage_it: Callable[[Path], None]
) -> None:
    damage_it(data)
    with pytest.raises(SpoolError, match="saec station repair") as caught:
        open_spool(data)
    assert str(data / "spool.sqlite") in str(caught.value)
    assert images(data) == ALL
    saved = repair_database(data, 1.8e9)
    assert not saved.whole or saved.rows["frames"] == FRAMES
    spool = open_spool(data)
    assert images(data) == ALL
    frames = [frame for state in ("accepted", "done") for frame in spool.frames(state, most=1000)]
    assert all(spool.path(frame).read_bytes() == frame.key.encode() for frame in frames)
    assert all("final" in spool.verdicts(frame.seq) for frame in frames if frame.state == "done")
    assert accept(spool, "new") > FRAMES
    spool.close()
    assert saved.aside is not None
    assert (saved.aside / "spool.sqlite").exists()


@pytest.mark.parametrize(
    ("table", "least"),
    [("frames_open", FRAMES), ("verdicts", FRAMES), ("latest", FRAMES), ("hours", FRAMES)],
)
def test_what_lies_in_sound_pages_is_saved(data: Path, table: str, least: int) -> None:
    root_of(table)(data)
    assert repair_database(data, 1.8e9).rows["frames"] >= least


def test_the_first_page_costs_no_record(data: Path) -> None:
    first_page(data)
    assert repair_database(data, 1.8e9).rows["frames"] == FRAMES


def test_a_frame_of_the_log_costs_the_frames_that_it_held_and_no_others(data: Path) -> None:
    overwrite(data / "spool.sqlite-wal", 32 + 24 + 50, b"\xff" * 20)
    assert repair_database(data, 1.8e9).rows["frames"] >= FRAMES - 5


def test_a_sound_database_is_saved_as_it_is(data: Path) -> None:
    saved = repair_database(data, 1.8e9)
    assert saved.whole
    assert (saved.rows["frames"], saved.rows["verdicts"], saved.rows["outbox"]) == (FRAMES, 110, 110)
    spool = open_spool(data)
    assert spool.depth()["accepted"] == 10
    assert not (data / "aside").is_dir() or list((data / "aside").rglob("*.png")) == []
    spool.close()


def test_a_log_that_was_cut_off_by_a_power_cut_is_no_damage(data: Path) -> None:
    log = data / "spool.sqlite-wal"
    os.truncate(log, log.stat().st_size - 1000)
    open_spool(data).close()


def test_a_station_that_runs_is_not_repaired(data: Path) -> None:
    spool = open_spool(data)
    with pytest.raises(SpoolError, match="running"):
        repair_database(data, 1.8e9)
    spool.close()


def test_damage_that_shows_later_is_noted_and_no_frame_is_taken(data: Path) -> None:
    spool = open_spool(data)
    for n in pages_of(data):
        page(data, n)
    spool._db.execute("PRAGMA cache_size = 1")  # what it had read already
    with pytest.raises(sqlite3.DatabaseError):
        read_all(spool)
    assert "saec station repair" in spool.damage.reason
    with pytest.raises(SpoolFullError, match="damaged"):
        accept(spool, "new")
    assert images(data) == ALL
    spool.close()


def test_a_large_database_is_looked_at_for_a_bounded_time(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "_OPCODES", 1)
    with sqlite3.connect(data / "spool.sqlite") as db:
        damage.quick_check(db, data / "spool.sqlite", seconds=-1.0)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["spool.sqlite", "spool.sqlite-wal"]),
    where=st.floats(0, 1),
    new=st.binary(min_size=1, max_size=9000),
    cut=st.booleans(),
)
@example(name="spool.sqlite", where=0.00390625, new=b"\x80", cut=False)  # words of the schema that are none
def test_no_damage_is_a_traceback_or_costs_an_image(
    held: Path, tmp_path_factory: pytest.TempPathFactory, name: str, where: float, new: bytes, cut: bool
) -> None:
    data = Path(shutil.copytree(held, tmp_path_factory.mktemp("d") / "data"))
    path = data / name
    at = int(where * path.stat().st_size)
    if cut:
        os.truncate(path, at)
    else:
        overwrite(path, at, new)
    try:
        spool = open_spool(data)
    except SpoolError as e:
        assert e.remedy  # noqa: PT017
    else:
        try:
            for seq in range(1, FRAMES + 1):
                spool.frame(seq)
            read_all(spool)
        except (sqlite3.DatabaseError, SpoolError):
            assert spool.damage.reason
        spool.close()
    assert images(data) == ALL
    repair_database(data, 1.8e9)
    spool = open_spool(data)
    read_all(spool)
    spool.close()
    assert images(data) == ALL


def look_at_letters(folder: Path) -> None:
    with outbox_beside(folder) as outbox:
        outbox.letters()


def look_at_quarantine(folder: Path) -> None:
    with closing(SpoolReader.beside(folder)) as reader:
        reader.quarantine()


@pytest.mark.parametrize("look", [look_at_letters, look_at_quarantine])
def test_who_looks_beside_the_station_hears_of_damage_and_its_remedy(
    data: Path, tmp_path: Path, look: Callable[[Path], None]
) -> None:
    with pytest.raises(SpoolError) as missing:
        look(tmp_path)
    assert missing.value.remedy == "give the settings of a station that has run"
    head(0, b"no database")(data)
    with pytest.raises(SpoolError) as damaged:
        look(data)
    assert damaged.value.remedy == damage.REMEDY


@pytest.mark.parametrize(("look", "table"), [(look_at_letters, "outbox"), (look_at_quarantine, "suspects")])
def test_damage_of_one_table_is_told_where_it_is_looked_at(
    data: Path, look: Callable[[Path], None], table: str
) -> None:
    for page in pages_of(data, table):
        overwrite(data / "spool.sqlite", (page - 1) * 4096, b"\xff" * 4096)
    with pytest.raises(SpoolError) as damaged:
        look(data)
    assert damaged.value.remedy == damage.REMEDY
