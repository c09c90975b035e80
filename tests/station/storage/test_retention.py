"""Images go by age, by room and by rule; records later; nothing that is still needed goes at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.errors import SpoolFullError
from saec.station.storage import storage_quota as room
from saec.station.storage.records import NewFrame, Retention, SpooledFrame, SpoolLimits
from saec.station.storage.retention import DAY, Sweeper, SweepResult
from saec.station.storage.spool import Spool
from saec.station.storage.storage_quota import BLOCK, GIGABYTE
from saec.types import VerdictRecord
from tests.station.station_fakes import image_path


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    limits = SpoolLimits(free_gb=0, size_gb=1.0, wait_hours=24.0)
    spool = Spool(tmp_path, ("log",), limits, clock)
    yield spool
    spool.close()


def accept(spool: Spool, key: str, size: int = 1) -> int:
    frame = NewFrame(line="cell", source="test", key=key, suffix=".png", captured=1.0)
    return spool.accept(frame, key.encode() * size).seq


def decide(spool: Spool, seq: int, label: int | None = 0, *, by: str = "edge", deliver: bool = True) -> None:
    verdict = VerdictRecord(id="x", path="", sha256="", line="cell", time=1.0, label=label, decided_by=by)  # type: ignore[arg-type]
    spool.decide(seq, "final", verdict)
    if deliver:
        spool.outbox.delivered([delivery.n for delivery in spool.outbox.waiting("log")])


def sweeper(spool: Spool, rule: Retention, expired: list[int] | None = None) -> Sweeper:
    def expire(frame: SpooledFrame) -> None:
        assert expired is not None
        expired.append(frame.seq)
        decide(spool, frame.seq)

    return Sweeper(spool, rule, expire)


def images(spool: Spool) -> list[int]:
    return [frame.seq for frame in spool.kept()]


def test_images_go_by_age_and_records_later(spool: Spool, clock: Clock) -> None:
    rule = Retention(image_days=2.0, record_days=5.0)
    old, waiting = accept(spool, "a"), accept(spool, "b")
    decide(spool, old)
    spool.alarm("x", "old")
    clock.now += 3 * DAY
    new = accept(spool, "c")
    decide(spool, new)
    expired: list[Any] = []
    sweep = sweeper(spool, rule, expired).sweep
    swept = sweep(clock.now)
    assert (swept.images, swept.records, expired) == (1, 0, [])
    assert images(spool) == [new]
    assert spool.frame(waiting).image  # it has no verdict yet
    clock.now += 3 * DAY
    swept = sweep(clock.now)
    assert (swept.images, swept.records) == (1, 1)
    assert spool.frame(old) is None
    assert spool.frame(new) is not None
    assert spool.alarms() == []


def test_frames_of_a_clock_that_was_wrong_keep_no_other_frame(spool: Spool, clock: Clock) -> None:
    clock.now += 10_000 * DAY
    decide(spool, accept(spool, "a"))
    clock.now -= 10_000 * DAY
    ahead, old = spool.frames("done")[0].seq, accept(spool, "b")
    decide(spool, old)
    clock.now += 3 * DAY
    swept = sweeper(spool, Retention(image_days=2.0, record_days=2.0)).sweep(clock.now)
    assert (swept.images, swept.records) == (1, 1)
    assert images(spool) == [ahead]
    clock.now = 0.0  # a clock that has lost its battery makes nothing old
    assert sweeper(spool, Retention(image_days=2.0)).sweep(clock.now).images == 0


def allow(spool: Spool, images: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder hold so many images of one block, beside what else lies there."""
    monkeypatch.setattr(spool.quota, "database", lambda: 0)
    monkeypatch.setattr(room, "LEAST", 0)
    spool.quota.measure()
    others = sum(spool.quota.other.values())
    limits = SpoolLimits(free_gb=0, size_gb=(others + images * BLOCK) / GIGABYTE, wait_hours=24.0)
    monkeypatch.setattr(spool.quota, "limits", limits)


def test_the_oldest_go_where_there_is_no_room(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs = [accept(spool, key) for key in "abcde"]
    for seq in seqs:
        decide(spool, seq)
    allow(spool, 5, monkeypatch)  # of which 95 % are used
    assert sweeper(spool, Retention()).sweep(clock.now).images == 1
    assert images(spool) == seqs[1:]


def test_what_goes_first_is_what_is_missed_least(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_defect, told_good = accept(spool, "a"), accept(spool, "b")
    decide(spool, told_defect, 1)
    decide(spool, told_good, 0)
    defect, good, waiting = (accept(spool, key) for key in "cde")
    decide(spool, defect, None, deliver=False)
    decide(spool, good, 0, deliver=False)
    order: list[Any] = []
    for kept in (4.5, 3.5, 2.5, 1.5, 0.5):
        held = set(images(spool))
        allow(spool, kept, monkeypatch)
        spool.eviction.free(spool.quota.short())
        order += held - set(images(spool))
    assert order == [told_good, told_defect, good, defect]
    assert spool.frame(waiting).image
    assert len(spool.outbox.waiting("log")) == 2  # the verdicts themselves are still to be taken


def test_a_sink_that_never_listens_stops_no_frame(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(spool, 6, monkeypatch)
    for n in range(50):
        decide(spool, accept(spool, str(n)), n % 2, deliver=False)
        assert spool.quota.used() <= spool.quota.budget
    assert len(images(spool)) == 6
    assert len(spool.outbox.waiting("log")) == 50
    monkeypatch.setattr(spool.quota, "database", lambda: spool.quota.budget)
    with pytest.raises(SpoolFullError, match=r"data folder takes .* \(database|images"):
        accept(spool, "no room at all")


def test_what_was_set_aside_goes_last_and_by_age(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(spool, accept(spool, "a"))
    for name in ("x.png", "y.png"):
        (spool.folder / name).write_bytes(bytes(BLOCK))
        spool.eviction.aside.take(spool.folder / name, clock.now)
        clock.now += 10 * DAY
    allow(spool, 1, monkeypatch)
    assert spool.eviction.free(BLOCK) == (BLOCK, 1)
    assert spool.eviction.free(BLOCK) == (BLOCK, 0)
    assert [path.name for path in spool.eviction.aside.folder.rglob("*.png")] == ["y.png"]
    sweep = sweeper(spool, Retention(aside_days=15.0)).sweep
    sweep(clock.now)
    assert len(spool.eviction.aside.times()) == 1
    sweep(clock.now + 20 * DAY, trusted=False)
    assert len(spool.eviction.aside.times()) == 1
    sweep(clock.now + 20 * DAY)
    assert spool.eviction.aside.times() == []


def test_records_go_where_they_take_the_room(spool: Spool, clock: Clock) -> None:
    for n in range(60):
        decide(spool, accept(spool, str(n)), deliver=n < 40)
    size = spool.eviction._pages()
    assert spool.eviction.shrink(size, clock.now) == 0
    assert spool.eviction.shrink(0, clock.now) == 60
    assert spool.outbox.waiting("log") == []
    assert spool.counters()["dropped:log"] == 20
    (alarm,) = spool.alarms()
    assert (alarm.kind, alarm.about) == ("undelivered", "log")
    assert [p for p in spool.images.folder.rglob("*") if p.is_file()] == []
    assert spool.depth()["bytes"] == 0


def test_the_database_gives_room_back(spool: Spool, clock: Clock) -> None:
    verdict = VerdictRecord(id="x", path="x" * 20_000, sha256="", line="cell", time=1.0, label=0)
    for n in range(40):
        spool.decide(accept(spool, str(n)), "final", verdict)
    spool.eviction.shrink(0, clock.now)
    spool._writer.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (spool.folder / "spool.sqlite").stat().st_size < 20 * 20_000


def test_frames_that_wait_for_the_cloud_are_given_up_where_they_take_the_room(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs = [accept(spool, key) for key in "abcdef"]
    expired: list[Any] = []
    for seq in seqs:
        spool.ask(seq, b"{}", "1")
    allow(spool, 4, monkeypatch)
    sweeper(spool, Retention(), expired).sweep(clock.now)
    assert expired
    assert spool.quota.used() <= spool.quota.budget
    assert accept(spool, "g")


def test_a_disk_that_others_fill_for_a_moment_costs_no_image(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(spool, accept(spool, "a"))
    monkeypatch.setattr(spool.quota, "disk_short", lambda margin=0.0: BLOCK)
    held = sweeper(spool, Retention())
    assert [held.sweep(clock.now, steady=t).images for t in (0.0, 299.0)] == [0, 0]
    assert held.sweep(clock.now, steady=300.0).images == 1


def test_nothing_goes_for_its_age_under_a_clock_that_is_not_proven(spool: Spool, clock: Clock) -> None:
    seq, waiting = accept(spool, "a"), accept(spool, "b")
    decide(spool, seq)
    spool.ask(waiting, b"{}", "1")
    expired: list[Any] = []
    held = sweeper(spool, Retention(image_days=1.0, record_days=1.0), expired)
    assert held.sweep(clock.now + 9000 * DAY, trusted=False) == SweepResult(0, 0, 0)
    assert images(spool) == [seq]
    assert held.sweep(clock.now + 9000 * DAY) == SweepResult(
        2, 2, 1
    )  # the one that is given up is old as well
    assert expired == [waiting]


@pytest.mark.parametrize(
    ("rule", "kept"), [("all", "gdec"), ("doubtful", "dec"), ("defects", "de"), ("none", "")]
)
def test_images_go_by_rule_once_they_are_settled(spool: Spool, clock: Clock, rule: str, kept: str) -> None:
    sweep = sweeper(spool, Retention(images=rule)).sweep  # type: ignore[arg-type]
    first = accept(spool, "first")
    named = {name: accept(spool, name) for name in "gdec"}
    decide(spool, named["g"], 0)
    decide(spool, named["d"], 1)
    decide(spool, named["e"], None)
    decide(spool, named["c"], 0, by="edge-fallback")
    for _ in range(2):
        sweep(clock.now)
        assert images(spool) == [named[name] for name in kept]
    decide(spool, first, 0)  # the one that came first has its verdict last, and is not passed over
    sweep(clock.now)
    assert images(spool) == ([first] if rule == "all" else []) + [named[name] for name in kept]


def test_what_waits_for_the_cloud_for_too_long_is_given_up(spool: Spool, clock: Clock) -> None:
    late = accept(spool, "a")
    expired: list[Any] = []
    spool.ask(late, b"{}", "1")
    clock.now += 2 * DAY
    spool.ask(accept(spool, "b"), b"{}", "1")
    assert sweeper(spool, Retention(), expired).sweep(clock.now).expired == 1
    assert expired == [late]


def test_where_too_many_wait_the_oldest_are_given_up_so_that_the_line_goes_on(
    tmp_path: Path, clock: Clock
) -> None:
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0, frames=10), clock)
    expired: list[Any] = []
    seqs = [accept(spool, key) for key in "abcdefghij"]
    for seq in seqs[:8]:
        spool.ask(seq, b"{}", "1")
    assert sweeper(spool, Retention(), expired).sweep(clock.now).expired == 1
    assert expired == seqs[:1]
    assert accept(spool, "k")
    spool.close()


def test_empty_folders_go_but_for_the_latest(spool: Spool, clock: Clock) -> None:
    for hour in range(4):
        decide(spool, accept(spool, f"{hour}"))
        clock.now += 3600
    assert len(list(spool.images.folder.iterdir())) == 4
    sweeper(spool, Retention(image_days=0)).sweep(clock.now)
    assert len(list(spool.images.folder.iterdir())) == 2


def test_what_the_database_does_not_know_is_set_aside(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock)
    held = image_path(spool, accept(spool, "a"))
    spool.close()
    orphan = held.with_name("orphan.png")
    orphan.write_bytes(b"x")
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock)
    assert (held.exists(), orphan.exists()) == (True, False)
    (found,) = (tmp_path / "aside").rglob("orphan.png")
    assert found.read_bytes() == b"x"
    (alarm,) = spool.alarms()
    assert alarm.kind == "aside"
    assert "1 image files" in alarm.text
    spool.close()


def test_a_full_disk_holds_up_no_start_for_an_unknown_file(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock)
    orphan = image_path(spool, accept(spool, "a")).with_name("orphan.png")
    spool.close()
    orphan.write_bytes(b"x")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def no_room(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        patch.setattr(Spool, "alarm", no_room)
        patch.setattr(
            "saec.station.storage.space.image_files.ImageFiles.__init__",
            lambda self, folder: setattr(self, "folder", folder),
        )
        Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock).close()
    assert orphan.exists()
    Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock).close()
    assert not orphan.exists()
    assert list((tmp_path / "aside").rglob("orphan.png"))


def test_a_new_database_deletes_no_image(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock)
    for hour in range(3):
        accept(spool, f"{hour}")
        clock.now += 3600
    spool.close()
    for path in tmp_path.glob("spool.sqlite*"):
        path.unlink()
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0), clock)
    assert sorted(p.read_bytes() for p in (tmp_path / "aside").rglob("*.png")) == [b"0", b"1", b"2"]
    assert spool.quota.other["aside"] >= 3 * BLOCK
    assert "3 image files" in spool.alarms()[0].text
    assert accept(spool, "new") > 1e9  # a number that no sink has seen
    spool.close()


def test_no_question_to_the_database_grows_with_the_records(spool: Spool, clock: Clock) -> None:
    asked: list[str] = []
    decide(spool, accept(spool, "a"))
    decide(spool, accept(spool, "b"), deliver=False)
    for db in (spool._db, spool._writer.db):
        db.set_trace_callback(asked.append)
    seq = accept(spool, "c")
    for line in (None, "cell"):
        for state in ("accepted", "asked"):
            spool.frames(state, line=line, without_verdict=True)
    spool.outbox.waiting("log")
    spool.depth()
    decide(spool, seq, deliver=False)
    for rule in ("all", "none"):
        sweeper(spool, Retention(images=rule)).sweep(clock.now)
    spool.eviction.free(1)
    spool.eviction.shrink(0, clock.now)
    spool.verdicts(seq)
    spool._held("20261125-19")
    for db in (spool._db, spool._writer.db):
        db.set_trace_callback(None)
    slow = set()
    for sql in asked:
        if sql.startswith(("SELECT", "DELETE", "UPDATE")):
            plan = [row[3] for row in spool._db.execute(f"EXPLAIN QUERY PLAN {sql}")]
            slow |= {(sql, step) for step in plan if "TEMP B-TREE" in step}
            slow |= {(sql, step) for step in plan if step in ("SCAN frames", "SCAN verdicts", "SCAN outbox")}
            if "state = 'a" in sql and not any("frames_open" in step for step in plan):
                slow.add((sql, "not by the index of open frames"))
    by_seq_until_found = {s for s in slow if "ORDER BY seq" in s[0] and s[1] == "SCAN frames"}
    assert slow - by_seq_until_found == set()
