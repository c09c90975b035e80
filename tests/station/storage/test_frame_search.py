"""A search finds what looking at each record finds, page by page, and holds nobody up."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.station.storage import frame_search
from saec.station.storage.frame_search import FrameQuery
from saec.station.storage.records import VerdictState
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from tests.station.storage.judged_frames import (
    BEGIN,
    LINES,
    NAMES,
    Clock,
    accept,
    all_found,
    is_meant,
    open_spool,
    some_verdict,
)

FRAMES = 150


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spool]:
    """Frames of three lines in an hour or two; the clock has once gone back."""
    draw, clock = random.Random(7), Clock()
    spool = open_spool(tmp_path_factory.mktemp("spool"), clock)
    waiting: list[int] = []
    for n in range(FRAMES):
        clock.now += draw.choice((0.0, 1.0, 45.5, 90.0)) - 3000 * (n == 80)
        name = f"{draw.choice(NAMES)}{n if n % 3 else ''}@17+42#0123456789abcdef/{n}"
        part = draw.choice(("", "", "A1", "A1", "a1", "É 2"))
        seq = accept(spool, name, draw.choice(LINES), draw.choice(("in", "cam")), part)
        provisional = draw.random() < 0.4
        told = some_verdict(draw, provisional=provisional)
        version, in_time = draw.choice(("1", "2", "12")), draw.random() < 0.8
        state: VerdictState = "provisional" if told.state == "provisional" else "final"
        spool.decide(seq, state, told, in_time=in_time, version=version, edge=b"{}")
        waiting += [seq] if state == "provisional" else []
        if waiting and draw.random() < 0.3:
            spool.decide(waiting.pop(draw.randrange(len(waiting))), "final", some_verdict(draw))
    accept(spool, "no verdict yet")
    yield spool
    spool.close()


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


TIMES = st.floats(BEGIN - 4000, BEGIN + 8000) | st.integers(-40, 160).map(lambda n: BEGIN + 45.5 * n)
SCORES = st.sampled_from((0.0, 0.25, 0.5, 1.0)) | st.floats(0, 1)
PARTS = st.sampled_from(("", "%", "_", "a", "S", "SS", "ß", "é", "1", "png", "\\", "'", "本", "zzz"))
PART_OF_A_NAME = PARTS | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
QUERIES = st.builds(
    FrameQuery,
    line=maybe(st.sampled_from((*LINES, "CELL"))),
    label=maybe(st.sampled_from((0, 1))),
    decided_by=maybe(st.sampled_from(("edge", "cloud", "edge-fallback", "none"))),
    state=maybe(st.sampled_from(("final", "provisional", "error"))),
    since=maybe(TIMES),
    until=maybe(TIMES),
    score_from=maybe(SCORES),
    score_to=maybe(SCORES),
    name=maybe(PART_OF_A_NAME),
    version=maybe(st.sampled_from(("1", "2", "12", "3"))),
    kind=maybe(st.sampled_from(("dent", "Kratzer", "x"))),
    part=maybe(st.sampled_from(("", "A1", "a1", "É 2", "A"))),
    before=maybe(st.integers(0, 2 * FRAMES)),
)


@pytest.mark.parametrize(("few", "slice_size"), [(20_000, 50_000), (0, 7), (5, 1), (5, 1000)])
@given(query=QUERIES, most=st.integers(1, 2 * FRAMES))
@settings(max_examples=120, deadline=None)
def test_a_search_finds_what_looking_at_each_record_finds(
    spool: Spool, few: int, slice_size: int, query: FrameQuery, most: int
) -> None:
    wanted = [frame for frame in all_found(spool) if is_meant(query, frame)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_search, "_FEW", few)
        patch.setattr(frame_search, "_FEW_OF_PART", few)
        patch.setattr(frame_search, "_SLICE", slice_size)
        assert spool.search(query, most) == wanted[:most]


@given(query=QUERIES, most=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_page_by_page_each_frame_comes_once(spool: Spool, query: FrameQuery, most: int) -> None:
    wanted, seen = spool.search(query, 2 * FRAMES), []
    while page := spool.search(query, most):
        seen += page
        query = FrameQuery(
            **{**{f: getattr(query, f) for f in query.__struct_fields__}, "before": page[-1].n}
        )
    assert seen == wanted


@pytest.mark.parametrize(("few", "slice_size"), [(20_000, 50_000), (0, 7), (5, 1)])
@given(query=QUERIES, after=st.integers(0, 2 * FRAMES), most=st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_what_is_newer_comes_oldest_first(
    spool: Spool, few: int, slice_size: int, query: FrameQuery, after: int, most: int
) -> None:
    query = msgspec.structs.replace(query, before=None)
    wanted = [frame for frame in reversed(all_found(spool)) if frame.n > after and is_meant(query, frame)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_search, "_FEW", few)
        patch.setattr(frame_search, "_FEW_OF_PART", few)
        patch.setattr(frame_search, "_SLICE", slice_size)
        assert spool.newer(query, after, most) == wanted[:most]


def test_each_frame_is_found_by_its_number(spool: Spool) -> None:
    for frame in all_found(spool):
        assert spool.newest(frame.seq) == frame
    assert spool.newest(10**9) is None


@given(after=st.integers(0, 2 * FRAMES), most=st.integers(1, 2 * FRAMES))
@settings(max_examples=60, deadline=None)
def test_changes_come_in_the_order_of_the_verdicts(spool: Spool, after: int, most: int) -> None:
    oldest_first = [frame for frame in reversed(all_found(spool)) if frame.n > after]
    assert spool.changes(after, most) == oldest_first[:most]


def test_a_frame_rises_with_its_final_verdict(tmp_path_factory: pytest.TempPathFactory) -> None:
    spool, draw = open_spool(tmp_path_factory.mktemp("rising"), Clock()), random.Random(1)
    assert (spool.last_change(), spool.changes(0), spool.search(FrameQuery())) == (0, [], [])
    first, second = accept(spool, "a"), accept(spool, "b")
    provisional = some_verdict(draw, provisional=True)
    for seq in (first, second):
        spool.decide(seq, "provisional", provisional, edge=b"{}")
    (page_one,) = spool.search(FrameQuery(), 1)
    assert (page_one.seq, spool.last_change()) == (second, page_one.n)
    spool.decide(first, "final", some_verdict(draw))
    assert [frame.seq for frame in spool.changes(page_one.n)] == [first]
    assert [frame.seq for frame in spool.search(FrameQuery())] == [first, second]
    assert spool.search(FrameQuery(before=page_one.n)) == []  # it was behind, and is in front now
    spool.close()


def test_who_searches_waits_for_nobody_and_reads_beside(spool: Spool) -> None:
    found: list[int] = []
    with spool._transaction() as db, spool._lock:
        db.execute("DELETE FROM latest")
        thread = threading.Thread(target=lambda: found.append(len(spool.search(FrameQuery(), 500))))
        thread.start()
        thread.join(60)
        db.execute("ROLLBACK")
        db.execute("BEGIN")
    assert found == [FRAMES]
    reader = SpoolReader.beside(spool.folder)
    assert reader.search(FrameQuery(label=1), 9) == spool.search(FrameQuery(label=1), 9)
    reader.close()


def test_no_search_sorts_all_frames_or_looks_up_those_that_are_not_meant(spool: Spool) -> None:
    asked: list[str] = []
    spool.search(FrameQuery())
    assert spool._side._db is not None
    spool._side._db.set_trace_callback(asked.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_search, "_FEW", 0)
        spool.search(FrameQuery(line="cell", name="zzz", since=BEGIN, score_from=0.1))
        spool.changes(3)
    spool._side._db.set_trace_callback(None)
    plans = [[row[3] for row in spool._db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked]
    searches = [plan for sql, plan in zip(asked, plans, strict=True) if "CROSS JOIN" in sql]
    assert len(searches) == 2
    assert {tuple(plan) for plan in searches} == {
        (
            "SEARCH latest USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
            "SEARCH frames USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            "SEARCH latest USING INTEGER PRIMARY KEY (rowid>?)",
            "SEARCH frames USING INTEGER PRIMARY KEY (rowid=?)",
        ),
    }
