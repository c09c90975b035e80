"""What waits for a sink, and its dead letters: kept, bounded, and changed beside a station that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saec.errors import SpoolError
from saec.station.storage.outbox import Outbox, outbox_beside
from saec.station.storage.records import Backlog, NewFrame, OpenDelivery, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    spool = Spool(tmp_path / "data", ("mes", "plc"), SpoolLimits(free_gb=0), clock)
    yield spool
    spool.close()


def judge(spool: Spool, clock: Clock, n: int) -> None:
    """Frames 1 to n, ten seconds apart."""
    for i in range(n):
        clock.now = 1000.0 + 10 * i
        frame = NewFrame(line="cell", source="t", key=str(i), suffix=".png", captured=clock.now)
        accepted = spool.accept(frame, b"image")
        verdict = VerdictRecord(id=accepted.id, path="", sha256="", line="cell", time=clock.now, label=0)
        assert spool.decide(accepted.seq, "final", verdict)


def waiting(outbox: Outbox, sink: str = "mes") -> list[int]:
    return [int(d.verdict.id[-10:]) for d in outbox.waiting(sink)]


def test_a_dead_letter_waits_apart_and_comes_back_first(spool: Spool, clock: Clock) -> None:
    judge(spool, clock, 3)
    box, first = spool.outbox, spool.outbox.waiting("mes")[0]
    box.failed([first.n], "it answered 422")
    box.bury(first.n)
    assert waiting(box) == [2, 3]
    assert waiting(box, "plc") == [1, 2, 3]
    (letter,) = box.letters()
    assert (letter.sink, letter.frame, letter.state) == ("mes", "cell-0000000001", "final")
    assert (letter.attempts, letter.error, letter.dead) == (1, "it answered 422", 1020.0)
    assert box.backlog("mes") == Backlog(2, 1010.0, 1)
    assert spool.depth()["sink:mes"] == 2
    box.resend([letter.n])
    assert (waiting(box), box.letters()) == ([1, 2, 3], [])
    assert box.waiting("mes")[0].attempts == 0


def test_a_reader_sees_what_still_waits_of_a_frame(spool: Spool, clock: Clock) -> None:
    judge(spool, clock, 2)
    first, second = spool.outbox.waiting("mes")
    spool.outbox.failed([first.n], "it answered 422")
    spool.outbox.bury(first.n)
    spool.outbox.delivered([second.n])
    assert spool.deliveries(1) == [
        OpenDelivery("mes", "final", 1, "it answered 422", 1010.0),
        OpenDelivery("plc", "final", 0, "", None),
    ]
    assert [one.sink for one in spool.deliveries(2)] == ["plc"]


def test_a_dead_letter_pins_no_image_and_keeps_its_record(spool: Spool, clock: Clock) -> None:
    judge(spool, clock, 1)
    for sink in ("mes", "plc"):
        spool.outbox.bury(spool.outbox.waiting(sink)[0].n)
    (held,) = spool.aged(2000.0)
    spool.eviction.drop_images([held.seq])
    spool.eviction.forget_before(1e9)
    assert [letter.frame for letter in spool.outbox.letters()] == [held.id] * 2
    spool.outbox.resend([letter.n for letter in spool.outbox.letters("mes")])
    assert waiting(spool.outbox) == [1]


def test_the_oldest_go_beyond_a_count_or_an_age_and_are_counted(spool: Spool, clock: Clock) -> None:
    judge(spool, clock, 6)
    box = spool.outbox
    assert box.trim("mes", 4) == 2
    assert waiting(box) == [3, 4, 5, 6]
    assert box.trim("mes", 4, before=1035.0) == 2
    assert waiting(box) == [5, 6]
    assert box.trim("mes", 4, before=1035.0) == 0
    box.bury(box.waiting("mes")[0].n)
    assert box.trim("mes", 0, dead=True) == 1
    assert (waiting(box), box.letters()) == ([6], [])
    assert waiting(box, "plc") == [1, 2, 3, 4, 5, 6]
    assert spool.counters()["dropped:mes"] == 5
    assert box.trim("mes", 0) == 1
    assert waiting(box) == []


def test_letters_are_changed_beside_a_station_that_runs(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    judge(spool, clock, 4)
    with outbox_beside(tmp_path / "data", clock) as beside:
        aside = beside.set_aside("mes")
        assert aside is not None
        assert (aside.frame, beside.set_aside("nobody")) == ("cell-0000000001", None)
        assert waiting(spool.outbox) == [2, 3, 4]
        spool.outbox.bury(spool.outbox.waiting("mes")[0].n)
        first, second = beside.letters("mes")
        beside.drop([first])
        beside.resend([second.n])
    assert (waiting(spool.outbox), spool.outbox.letters()) == ([2, 3, 4], [])
    assert spool.counters()["dropped:mes"] == 1


def test_beside_nothing_there_is_no_outbox(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="has run"), outbox_beside(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
