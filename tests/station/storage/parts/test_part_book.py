"""A part gets one verdict: when its frames are judged, or at its deadline, and never a second one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saec.station.storage.database_repair import repair_database
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import PartVerdict
from saec.station.storage.spool import Spool
from tests.station.storage.parts.part_frames import BEGIN, Clocks, decide, open_parts, take, told, verdicts

PAIR = PartRules(sources=("left", "right"), within_s=5.0)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def spool(tmp_path: Path, clocks: Clocks) -> Iterator[Spool]:
    spool = open_parts(tmp_path / "data", PAIR, clocks)
    yield spool
    spool.close()


def kinds_of_alarms(spool: Spool) -> set[str]:
    return {alarm.kind for alarm in spool.alarms()}


def test_the_last_view_decides_and_every_view_is_told(spool: Spool, clocks: Clocks) -> None:
    left, right = take(spool, "left"), take(spool, "right")
    heard: list[PartVerdict] = []
    spool.parts.listeners.append(heard.append)
    with spool.parts.watch(left, heard.append):
        decide(spool, left, 0)
        assert verdicts(spool) == []
        clocks.now += 1
        decide(spool, right, 1)
    (made,) = verdicts(spool)
    assert heard == [made, made]
    assert (made.verdict.label, made.act, made.verdict.time) == (1, True, BEGIN + 1)
    assert made.verdict.id == f"cell/A1/{left}"
    assert spool.part_of(right) == spool.part_visits("A1")[0]
    assert spool.counters()["part:cell:defect"] == 1
    assert spool.parts.overdue() == []


def test_a_provisional_verdict_counts_and_a_late_final_one_only_raises_an_alarm(spool: Spool) -> None:
    left, right = take(spool, "left"), take(spool, "right")
    decide(spool, left, 0, "provisional")
    decide(spool, right, 0)
    (made,) = verdicts(spool)
    decide(spool, left, 1, "final")
    assert verdicts(spool) == [made]
    assert [one.state for one in spool.outbox.waiting("sink")] == ["provisional", "final", "part", "final"]
    assert [one.act for one in spool.outbox.waiting("sink")] == [False, False, True, False]
    assert "part-differs" in kinds_of_alarms(spool)


def test_a_view_that_is_missing_at_the_deadline_is_an_error_that_is_acted_on_in_time(
    spool: Spool, clocks: Clocks
) -> None:
    decide(spool, take(spool, "left"), 0)
    clocks.now += 4.8
    assert spool.parts.overdue() == []
    clocks.now += 0.15
    (first,) = spool.parts.overdue()
    spool.parts.expire(first)
    spool.parts.expire(first)
    (made,) = verdicts(spool)
    assert (made.verdict.label, made.verdict.state, made.act) == (None, "error", True)
    assert (made.missing, made.verdict.reason) == (("right",), "part-incomplete")
    assert spool.parts.overdue() == []
    assert "part-incomplete" in kinds_of_alarms(spool)


def test_a_frame_after_the_deadline_is_of_a_new_visit(spool: Spool, clocks: Clocks) -> None:
    decide(spool, take(spool, "left"), 0)
    decide(spool, take(spool, "right"), 0)
    clocks.now += 4.9
    extra = take(spool, "right")
    decide(spool, extra, 1)  # of the first visit, whose verdict stands
    assert [made.verdict.label for made in verdicts(spool)] == [0]
    assert "part-differs" in kinds_of_alarms(spool)
    clocks.now += 0.2
    decide(spool, take(spool, "left"), 1)
    decide(spool, take(spool, "right"), 0)
    assert [made.verdict.label for made in verdicts(spool)] == [0, 1]
    assert len({made.verdict.id for made in verdicts(spool)}) == 2


def test_a_clock_that_is_set_back_begins_a_new_visit_and_moves_no_deadline(
    spool: Spool, clocks: Clocks
) -> None:
    first = take(spool, "left")
    clocks.now -= 3600
    clocks.born -= 3600  # the steady clock goes on
    again = take(spool, "left", key="again")
    assert [one.n for one in spool.part_visits("A1")] == [again, first]
    clocks.now += 4.95
    assert set(spool.parts.overdue()) == {first, again}


def test_a_frame_that_was_taken_is_waited_for_even_if_it_is_not_expected(spool: Spool) -> None:
    left, right, extra = (take(spool, name) for name in ("left", "right", "top"))
    decide(spool, left)
    decide(spool, right)
    assert verdicts(spool) == []
    decide(spool, extra, 1)
    assert [made.verdict.label for made in verdicts(spool)] == [1]


def test_the_edge_may_read_the_id_of_a_frame(spool: Spool) -> None:
    left, right = take(spool, "left", part="", key="l"), take(spool, "right", part="", key="r")
    for seq in (left, right):
        spool.decide(seq, "final", told(0, part="B2"), version="1")
    assert [made.verdict.part for made in verdicts(spool, "B2")] == ["B2"]
    assert spool.frame(left).part == "B2"
    assert spool.verdicts(left)["final"].part == "B2"


def test_a_frame_without_an_id_is_judged_and_said(spool: Spool) -> None:
    seq = take(spool, "left", part="")
    decide(spool, seq, 0)
    assert spool.verdicts(seq)["final"].label == 0
    assert spool.counters()["partless:cell"] == 1
    assert "part-unknown" in kinds_of_alarms(spool)
    (delivery,) = spool.outbox.waiting("sink")
    assert delivery.act


def test_a_line_without_rules_makes_no_verdict_of_a_part(spool: Spool) -> None:
    seq = take(spool, "left", line="other")
    decide(spool, seq)
    assert spool.part_of(seq) is None
    assert spool.outbox.waiting("sink")[0].act


def test_after_a_stop_what_was_taken_is_judged_before_its_part_is_decided(
    tmp_path: Path, clocks: Clocks
) -> None:
    spool = open_parts(tmp_path / "other", PAIR, clocks)
    left, right = take(spool, "left"), take(spool, "right")
    lone = take(spool, "left", part="C3")
    decide(spool, lone, 0)
    spool.close()
    clocks.now += 60
    spool = open_parts(tmp_path / "other", PAIR, clocks)
    assert set(spool.parts.overdue()) == {left, lone}
    for first in spool.parts.overdue():
        spool.parts.expire(first)
    assert verdicts(spool) == []
    (late,) = verdicts(spool, "C3")
    assert (late.verdict.label, late.act) == (None, False)
    assert spool.parts.overdue() == []
    decide(spool, right, 0)
    decide(spool, left, 0)
    (made,) = verdicts(spool)
    assert (made.verdict.label, made.act) == (0, False)
    spool.close()


def test_a_repaired_database_has_its_parts_and_decides_none_again(tmp_path: Path, clocks: Clocks) -> None:
    spool = open_parts(tmp_path / "data", PAIR, clocks)
    left, right = take(spool, "left"), take(spool, "right")
    decide(spool, left)
    decide(spool, right)
    lone = take(spool, "left", part="B2")
    before = verdicts(spool)
    spool.close()
    saved = repair_database(tmp_path / "data", clocks.now)
    assert (saved.rows["parts"], saved.rows["views"], saved.rows["outbox"]) == (2, 3, 3)
    again = open_parts(tmp_path / "data", PAIR, clocks)
    assert verdicts(again) == before
    assert [one.state for one in again.outbox.waiting("sink")] == ["final", "final", "part"]
    decide(again, lone)
    clocks.now += 4.95
    assert again.parts.overdue() == [lone]
    again.close()


def test_a_part_goes_with_its_first_frame(spool: Spool, clocks: Clocks) -> None:
    decide(spool, take(spool, "left"), 0)
    decide(spool, take(spool, "right"), 0)
    for delivery in spool.outbox.waiting("sink"):
        spool.outbox.delivered([delivery.n])
    spool.eviction.drop_images([1, 2])
    assert spool.eviction.forget_before(clocks.now + 1) == 2
    assert spool.part_visits("A1") == []
