"""An alarm that comes again is one row; the table is bounded whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saec.station.storage import alarms
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool


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
    spool = Spool(tmp_path, (), SpoolLimits(free_gb=0), clock)
    yield spool
    spool.close()


def test_an_alarm_that_comes_each_second_is_one_row(spool: Spool, clock: Clock) -> None:
    for i in range(100):
        clock.now += 1
        spool.alarm("camera", f"no frames, try {i}", about="left")
        spool.alarm("camera", "no frames", about="right")
    right, left = spool.alarms()
    assert (left.about, left.count, left.first, left.last) == ("left", 100, 1e9 + 1, 1e9 + 100)
    assert left.text == "no frames, try 99"
    assert (right.about, right.count) == ("right", 100)


def test_kinds_are_counted_by_a_bounded_number_of_names(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "KINDS_COUNTED", 3)
    with spool._transaction() as db:
        for line, kind in [("a", "dent"), ("a", "x:y"), ("a", "z"), ("a", "late"), ("a", "later")] * 2:
            alarms.count_kind(db, line, kind)
        alarms.count_kind(db, "ab", "late")
    assert spool.counters() == {
        "kind:a:dent": 2,
        "kind:a:x:y": 2,
        "kind:a:z": 2,
        f"kind:a:{alarms.OTHER_KINDS}": 4,
        "kind:ab:late": 1,
    }


def test_a_day_later_it_is_another_spell(spool: Spool, clock: Clock) -> None:
    spool.alarm("camera", "x", about="left")
    clock.now += alarms.SAME_ALARM_SECONDS + 1
    spool.alarm("camera", "x", about="left")
    assert [a.count for a in spool.alarms()] == [1, 1]


def test_who_has_seen_an_alarm_sees_it_again_when_it_comes_again(spool: Spool) -> None:
    spool.alarm("a", "x")
    spool.alarm("b", "x")
    seen = spool.alarms()[0].n
    assert spool.alarms(after=seen) == []
    spool.alarm("a", "again")
    assert [(a.kind, a.count) for a in spool.alarms(after=seen)] == [("a", 2)]


def test_the_last_frames_are_named(spool: Spool) -> None:
    for i in range(30):
        spool.alarm("disagreement", "x", frame=f"cell-{i}")
    (alarm,) = spool.alarms()
    assert alarm.frame == "cell-29"
    assert alarm.frames == tuple(f"cell-{i}" for i in range(10, 30))


def test_the_table_is_bounded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "ALARMS_KEPT", 5)
    for i in range(12):
        spool.alarm("kind", "x" * 10_000, about=str(i))
        spool.alarm("steady", "x")
    held = spool.alarms()
    assert len(held) == 5
    assert held[0].kind == "steady"
    assert held[0].count == 12  # what still comes is not pushed out
    assert len(held[1].text) == 2000
