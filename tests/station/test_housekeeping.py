"""The house is kept: nothing goes under a clock that is not proven, and no frame waits for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.errors import SpoolError
from saec.station.housekeeping import Housekeeping
from saec.station.storage.records import NewFrame, Retention, SpooledFrame, SpoolLimits
from saec.station.storage.space.clock_guard import UNPROVEN_REST
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord

DAY = 86400.0


class Clock:
    """Two clocks that go on together; one of them can be set."""

    def __init__(self) -> None:
        self.now, self.up = 1e9, 100.0

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.up

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.up += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_spool(folder: Path, clock: Clock) -> Spool:
    return Spool(folder, ("log",), SpoolLimits(free_gb=0, wait_hours=24.0), clock.wall)


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    spool = open_spool(tmp_path, clock)
    yield spool
    spool.close()


def keeping(
    spool: Spool, clock: Clock, *, synchronised: bool = False, lines: tuple[str, ...] = ("cell",)
) -> Housekeeping:
    def expire(frame: SpooledFrame) -> None:
        decide(spool, frame.seq)

    clocks: dict[str, Any] = {"wall": clock.wall, "steady": clock.steady}
    return Housekeeping(
        spool, Retention(image_days=30.0), lines, expire, synchronised=lambda _: synchronised, **clocks
    )


def accept(spool: Spool, key: str, line: str = "cell") -> int:
    return spool.accept(NewFrame(line=line, source="s", key=key, suffix=".png", captured=1.0), b"x").seq


def decide(spool: Spool, seq: int) -> None:
    spool.decide(seq, "final", VerdictRecord(id="x", path="", sha256="", line="cell", time=1.0, label=0))


def test_a_clock_that_is_ahead_at_the_start_deletes_nothing(tmp_path: Path, clock: Clock) -> None:
    spool = open_spool(tmp_path, clock)
    decide(spool, accept(spool, "a"))
    first = keeping(spool, clock, synchronised=True)
    first.turn()
    spool.close()
    clock.now += 40 * DAY  # set, not passed
    spool = open_spool(tmp_path, clock)
    second = keeping(spool, clock)
    for _ in range(10):
        assert second.turn().images == 0
        clock.pass_by(60)
    (alarm,) = spool.alarms()
    assert alarm.kind == "clock"
    assert "960.0 h ahead" in alarm.text
    spool.close()


@pytest.mark.parametrize(("set_by", "images", "told"), [(3600.0, 1, 0), (40 * DAY, 0, 1), (-DAY, 0, 1)])
def test_a_new_station_knows_when_it_began(
    tmp_path: Path, clock: Clock, set_by: float, images: int, told: int
) -> None:
    spool = open_spool(tmp_path, clock)
    clock.now -= 31 * DAY
    decide(spool, accept(spool, "a"))  # its record has a time that makes it old
    clock.now += 31 * DAY
    assert keeping(spool, clock).turn().images == 0  # under a new database
    spool.close()
    clock.now += set_by
    spool = open_spool(tmp_path, clock)
    assert keeping(spool, clock).turn().images == images
    assert [alarm.kind for alarm in spool.alarms()] == ["clock"] * told
    spool.close()


def test_a_station_that_was_off_for_a_month_is_not_stuck(tmp_path: Path, clock: Clock) -> None:
    for synchronised in (True, False):
        folder = tmp_path / str(synchronised)
        spool = open_spool(folder, clock)
        decide(spool, accept(spool, "a"))
        keeping(spool, clock, synchronised=True).turn()
        spool.close()
        clock.pass_by(40 * DAY)
        spool = open_spool(folder, clock)
        held = keeping(spool, clock, synchronised=synchronised)
        assert held.turn().images == int(synchronised)
        clock.pass_by(UNPROVEN_REST)
        assert held.turn().images == int(not synchronised)
        spool.close()


def test_the_latest_proven_time_is_kept_with_each_turn(spool: Spool, clock: Clock) -> None:
    held = keeping(spool, clock, synchronised=True)
    held.turn()
    clock.pass_by(60)
    held.turn()
    assert spool.mark("clock") == clock.now


def test_frames_of_a_line_that_is_renamed_are_named_and_do_not_wait_for_ever(
    spool: Spool, clock: Clock
) -> None:
    accept(spool, "mine")
    lost = [accept(spool, str(n), line="old") for n in range(3)]
    spool.ask(lost[0], b"{}", "1")
    held = keeping(spool, clock, synchronised=True)
    held.orphans.tell()
    (alarm,) = spool.alarms()
    assert (alarm.kind, alarm.about) == ("no-such-line", "old")
    (problem,) = held.orphans.problems()
    assert problem == alarm.text
    assert "3 frames wait for the line old" in problem
    held.turn()
    assert [spool.verdicts(seq) for seq in lost] == [{}] * 3
    clock.pass_by(25 * 3600)
    held.turn()
    finals = [spool.verdicts(seq)["final"] for seq in lost]
    assert [(v.label, v.reason, v.error.kind) for v in finals] == [(None, "line-error", "LineError")] * 3
    assert "no product line old ([[line]])" in finals[0].error.message
    assert not any(d.act for d in spool.outbox.waiting("log"))
    held.turn()
    assert held.orphans.problems() == []
    assert [f.key for f in spool.frames("accepted")] == ["mine"]


def test_verdicts_for_a_sink_that_is_renamed_are_named_and_do_not_wait_for_ever(
    tmp_path: Path, clock: Clock
) -> None:
    spool = open_spool(tmp_path, clock)
    decide(spool, accept(spool, "a"))
    spool.close()
    spool = Spool(tmp_path, ("other",), SpoolLimits(free_gb=0, wait_hours=24.0), clock.wall)
    held = keeping(spool, clock, synchronised=True)
    held.orphans.tell()
    (alarm,) = spool.alarms()
    assert (alarm.kind, alarm.about) == ("no-such-sink", "log")
    assert held.orphans.problems() == [alarm.text]
    held.turn()
    assert spool.outbox.lost(spool.sinks) == {"log": 1}
    spool.close()
    spool = open_spool(tmp_path, clock)  # named again
    assert len(spool.outbox.waiting("log")) == 1
    spool.close()
    spool = Spool(tmp_path, ("other",), SpoolLimits(free_gb=0, wait_hours=24.0), clock.wall)
    clock.pass_by(25 * 3600)
    held = keeping(spool, clock, synchronised=True)
    held.turn()
    held.turn()
    assert held.orphans.problems() == []
    assert spool.counters()["dropped:log"] == 1
    spool.close()


def test_a_limit_that_is_too_small_is_told_of_and_stops_no_line(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "weights").write_bytes(bytes(5_000_000))
    spool = Spool(tmp_path, (), SpoolLimits(free_gb=0, size_gb=0.002), clock.wall)
    held = keeping(spool, clock, synchronised=True)
    for n in range(30):
        frame = NewFrame(line="cell", source="s", key=str(n), suffix=".png", captured=1.0)
        decide(spool, spool.accept(frame, bytes(500_000)).seq)
        held.turn()
    (alarm,) = spool.alarms()
    assert (alarm.kind, alarm.count) == ("storage", 1)
    assert "lines 0.0" in alarm.text
    assert spool.quota.used() <= spool.quota.budget
    spool.close()


def test_a_line_that_is_named_again_gets_its_frames(spool: Spool, clock: Clock) -> None:
    accept(spool, "a", line="old")
    assert keeping(spool, clock, lines=("cell", "old")).orphans.problems() == []


def test_a_file_s_time_that_cannot_be_is_the_time_of_its_acceptance(spool: Spool, clock: Clock) -> None:
    for key, told in (("future", 9.4e16), ("past", -1.0), ("good", 5e8), ("nan", float("nan"))):
        spool.accept(NewFrame(line="cell", source="s", key=key, suffix=".png", captured=told), b"x")
    assert [f.captured for f in spool.frames("accepted")] == [1e9, 1e9, 5e8, 1e9]


def test_a_file_that_is_still_there_is_not_judged_again_when_its_record_has_gone(
    spool: Spool, clock: Clock
) -> None:
    left, gone = accept(spool, "left"), accept(spool, "gone")
    spool.remember("cell", ["left", "never accepted"])
    for seq in (left, gone):
        decide(spool, seq)
        spool.eviction.drop_images([seq])
    spool.outbox.delivered([d.n for d in spool.outbox.waiting("log")])
    clock.pass_by(10 * DAY)
    spool.remember("cell", ["left"])
    assert spool.eviction.forget_before(clock.now - DAY) == 2
    again = spool.accept(NewFrame(line="cell", source="s", key="left", suffix=".png", captured=1.0), b"x")
    assert (again.seq, again.duplicate) == (left, True)
    with pytest.raises(SpoolError, match="another image"):
        spool.accept(NewFrame(line="cell", source="s", key="left", suffix=".png", captured=1.0), b"y")
    assert accept(spool, "gone") not in (left, gone)
    clock.pass_by(10 * DAY)  # the file has not been seen for longer than records are kept
    spool.eviction.forget_before(clock.now - DAY)
    assert accept(spool, "left") != left


def test_a_frame_that_waited_for_too_long_is_decided_and_told(spool: Spool, clock: Clock) -> None:
    seq = accept(spool, "a")
    spool.ask(seq, b"{}", "1")
    held = keeping(spool, clock, synchronised=True)
    assert held.turn().expired == 0
    clock.pass_by(25 * 3600)
    assert held.turn().expired == 1
    assert "final" in spool.verdicts(seq)
    (alarm,) = spool.alarms()
    assert alarm.kind == "cloud-failed"
    assert alarm.text.startswith("1 frames waited too long for the cloud")


def test_a_damaged_record_that_waited_for_too_long_waits_for_the_repair(spool: Spool, clock: Clock) -> None:
    def damaged(frame: SpooledFrame) -> None:
        raise SpoolError(f"the record of {frame.id} is damaged", "repair it")

    seq = accept(spool, "a")
    spool.ask(seq, b"{}", "1")
    clocks: dict[str, Any] = {"wall": clock.wall, "steady": clock.steady}
    held = Housekeeping(spool, Retention(), ("cell",), damaged, synchronised=lambda _: True, **clocks)
    held.turn()
    clock.pass_by(25 * 3600)
    held.turn()
    assert spool.verdicts(seq) == {}
    assert "saec station repair" in spool.damage.reason


def test_limits_of_the_sinks_are_told_no_time_that_is_not_trusted(spool: Spool, clock: Clock) -> None:
    told: list[float | None] = []
    clocks: dict[str, Any] = {"wall": clock.wall, "steady": clock.steady}
    for vouched in (True, False):
        held = Housekeeping(
            spool,
            Retention(),
            ("cell",),
            lambda frame: None,
            backlogs=[told.append],
            synchronised=[lambda _: False, lambda _: True][vouched],
            **clocks,
        )
        held.turn()
        clock.now += 40 * DAY  # set, not passed
    assert told == [1e9, None]
