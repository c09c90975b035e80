"""Counts are what counting the records gives, after whatever has happened to the database."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.station.storage.counts.verdict_counts import VerdictCounts
from saec.station.storage.database.latest_verdicts import note_latest
from saec.station.storage.database_repair import repair_database
from saec.station.storage.frame_search import FoundFrame, FrameQuery
from saec.station.storage.spool import Spool
from tests.station.storage.judged_frames import (
    BEGIN,
    LINES,
    Clock,
    accept,
    all_found,
    first_answers,
    open_spool,
    some_verdict,
)

SUMS = [field for field in VerdictCounts.__struct_fields__ if field not in ("line", "time")]


def counted(
    frames: list[FoundFrame], answers: dict[int, float], since: float, until: float, step_s: float
) -> dict[tuple[str, float], dict[str, float]]:
    """The counts of each line and stretch, frame by frame."""
    counts: dict[tuple[str, float], dict[str, float]] = defaultdict(lambda: dict.fromkeys(SUMS, 0.0))
    n = 0
    while (begin := since + n * step_s) < until:
        n += 1
        end = min(until, since + n * step_s)
        for frame in frames:
            if not begin <= frame.time < end:
                continue
            row = counts[frame.line, begin]
            row[{0: "goods", 1: "defects", None: "errors"}[frame.label]] += 1
            by = {"edge": "edge", "cloud": "cloud", "edge-fallback": "fallback"}.get(frame.decided_by)
            if by is not None:
                row[by] += 1
            row["late"] += frame.late
            row["joules"] += frame.joules or 0.0
            row["metered"] += frame.joules is not None
            row["seconds"] += answers.get(frame.seq, 0.0)
            row["answered"] += frame.seq in answers
    return counts


def told(spool: Spool, *window: float, line: str | None = None) -> dict[tuple[str, float], dict[str, float]]:
    since, until, step_s = window
    rows = spool.verdict_counts(since, until, step_s, line)
    assert [(row.time, row.line) for row in rows] == sorted((row.time, row.line) for row in rows)
    return {(row.line, row.time): {name: msgspec.structs.asdict(row)[name] for name in SUMS} for row in rows}


def check(spool: Spool) -> None:
    """Rows, their order and all counts are those of the records."""
    frames, answers = all_found(spool), first_answers(spool)
    assert spool.search(FrameQuery(), 10_000) == frames
    for window in ((0.0, 2e9, 4e8), (BEGIN, BEGIN + 86400, 3600.0), (BEGIN + 7, BEGIN + 9000, 1800.0)):
        wanted, got = counted(frames, answers, *window), told(spool, *window)
        assert got.keys() == wanted.keys()
        for key, row in got.items():
            assert row == pytest.approx(wanted[key], abs=1e-6)
    hours = spool._db.execute("SELECT COUNT(*) FROM hours").fetchone()[0]
    assert hours == len({(frame.line, int(frame.time) // 3600) for frame in frames})


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Spool:
    """Frames of three lines in two days."""
    draw, clock = random.Random(3), Clock()
    spool = open_spool(tmp_path_factory.mktemp("busy"), clock)
    for n in range(120):
        clock.now += draw.choice((0.0, 1.0, 400.0, 3600.0 - clock.now % 3600, 5000.0))
        seq = accept(spool, str(n), draw.choice(LINES))
        if n % 3 == 0:
            spool.decide(seq, "provisional", some_verdict(draw, provisional=True), edge=b"{}")
        if n % 3 or n % 2:
            spool.decide(seq, "final", some_verdict(draw), in_time=n % 5 > 0)
    return spool


@given(
    since=st.floats(BEGIN - 5000, BEGIN + 200_000)
    | st.integers(-2, 60).map(lambda h: 1_699_999_200.0 + 3600 * h),
    span=st.floats(0, 300_000),
    step_s=st.sampled_from((60.0, 900.0, 3600.0, 5400.0, 86400.0)) | st.floats(500, 1e6),
    line=st.none() | st.sampled_from((*LINES, "none")),
)
@settings(max_examples=150, deadline=None)
def test_any_window_counts_what_its_records_count(
    busy: Spool, since: float, span: float, step_s: float, line: str | None
) -> None:
    step_s = max(step_s, span / 300)
    frames = [frame for frame in all_found(busy) if line in (None, frame.line)]
    wanted = counted(frames, first_answers(busy), since, since + span, step_s)
    got = told(busy, since, since + span, step_s, line=line)
    assert got.keys() == wanted.keys()
    for key, row in got.items():
        assert row == pytest.approx(wanted[key], abs=1e-6)


CHILD = """
import random, sys
from pathlib import Path
from tests.station.storage.judged_frames import LINES, Clock, accept, open_spool, some_verdict
draw, clock = random.Random(5), Clock()
spool = open_spool(Path(sys.argv[1]), clock)
while True:
    clock.now += 50
    seq = accept(spool, str(clock.now), draw.choice(LINES))
    for state in ("provisional", "final"):
        told = some_verdict(draw, provisional=state == "provisional")
        if told.state in (state, "error"):
            spool.decide(seq, "final" if told.state == "error" else state, told, edge=b"{}")
    print(seq, flush=True)
"""


def test_sigkill_leaves_rows_and_counts_that_are_those_of_the_records(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(60):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    spool = open_spool(tmp_path, Clock())
    assert len(spool.search(FrameQuery(), 1000)) > 30
    check(spool)
    spool.close()


class History:
    """A spool to which all sorts of things happen."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder, self.draw, self.clock = folder, draw, Clock()
        self.seqs, self.moves = [0], 0
        self.spool = self._open(folder / "0")

    def _open(self, folder: Path) -> Spool:
        """Without syncs, which are slow and change nothing of what a copy of the files holds."""
        spool = open_spool(folder, self.clock)
        spool._writer.db.execute("PRAGMA synchronous = OFF")
        return spool

    def accept(self) -> None:
        self.clock.now += self.draw.choice((0.0, 30.0, 4000.0))
        self.seqs.append(accept(self.spool, str(len(self.seqs)), self.draw.choice(LINES)))

    def provisional(self) -> None:
        self._decide("provisional")

    def final(self) -> None:
        self._decide("final")

    def _decide(self, state: str) -> None:
        seq, before = self.draw.choice(self.seqs), self.spool.last_change()
        told = some_verdict(self.draw, provisional=state == "provisional")
        if (state == "provisional") != (told.state == "provisional") or self.spool.frame(seq) is None:
            return
        in_time, version = self.draw.random() < 0.6, self.draw.choice((None, "2"))
        if self.spool.decide(seq, state, told, in_time=in_time, edge=b"{}", version=version):  # type: ignore[arg-type]
            (change,) = self.spool.changes(before)
            assert change.seq == seq

    def forget(self) -> None:
        self.spool.eviction.drop_images([frame.seq for frame in self.spool.kept()])
        self.spool.eviction.forget_before(self.clock.now - 3000)

    def shrink(self) -> None:
        self.spool.eviction._delete_oldest(self.clock.now)

    def failed(self) -> None:
        """A verdict whose transaction fails at its end."""
        seq = self.draw.choice(self.seqs)
        with suppress(sqlite3.Error, TypeError):
            self.spool.decide(seq, "final", some_verdict(self.draw), alarms=[("x", None)])  # type: ignore[list-item]

    def crash(self) -> None:
        """The process ends within a transaction: what another finds is what lay on the disk."""
        aside = self._next()
        with suppress(ZeroDivisionError), self.spool._transaction() as db:
            for (seq,) in db.execute("SELECT DISTINCT seq FROM verdicts").fetchall():
                note_latest(db, seq, some_verdict(self.draw))
            db.execute("DELETE FROM frames WHERE state = 'done'")
            shutil.copytree(self.spool.folder, aside)
            raise ZeroDivisionError
        self.spool.close()
        self.spool = self._open(aside)

    def repair(self) -> None:
        last = self.spool.last_change()
        self.spool.close()
        repair_database(self.spool.folder, self.clock.now)
        self.spool = self._open(self.spool.folder)
        assert self.spool.last_change() > last or last >= 10 * self.clock.now

    def _next(self) -> Path:
        self.moves += 1
        return self.folder / str(self.moves)


MOVES = ("accept", "accept", "provisional", "provisional", "final", "final", "forget", "shrink", "failed")


@given(
    moves=st.lists(st.sampled_from((*MOVES, "crash", "repair")), min_size=8, max_size=25),
    draw=st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_whatever_happens_rows_and_counts_are_those_of_the_records(
    moves: list[str], draw: random.Random
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        history = History(Path(folder), draw)
        try:
            for move in moves:
                getattr(history, move)()
                check(history.spool)
        finally:
            history.spool.close()
