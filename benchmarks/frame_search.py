"""What a search and counts take among a million frames, and what each verdict pays for them.

    python benchmarks/frame_search.py --rows 1000000

Makes a station's database of so many frames in a year, of eight lines, with records of the usual size. Prints
the median time of each search and each count. Beside it stands its ratio to a plain full scan of the searched
table, which hardly depends on the machine. Then it writes verdicts among these frames while another process
searches them, and into a new spool, in turn with the table and without it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from saec.station.storage.database.latest_verdicts import folded
from saec.station.storage.database.schema import open_database
from saec.station.storage.database.side_reader import SideReader
from saec.station.storage.frame_search import FrameQuery
from saec.station.storage.records import NewFrame, SpoolLimits, frame_name
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from saec.types import EdgeRecord, Route, VerdictRecord

YEAR, DAY, HOUR = 31_536_000.0, 86_400.0, 3600.0
BEGIN = 1_735_689_600.0
LINES = 8
_STEP = 10_000
_SCAN = "SELECT COUNT(*) FROM latest NOT INDEXED WHERE +label = 7"

_FRAMES = (
    "INSERT INTO frames VALUES (?, ?, 'camera', ?, ?, '', 250000, ?, ?, 'done', NULL, ?, ?, ?, NULL, NULL)"
)
_VERDICTS = "INSERT INTO verdicts VALUES (?, 'final', 1, ?, ?, ?)"
_LATEST = (
    "INSERT INTO latest (seq, time, line, name, label, decided_by, state, score, p_defect, version, kind, "
    "late, joules, answer) VALUES (?, ?, ?, ?, ?, ?, 'final', ?, ?, ?, ?, ?, ?, ?)"
)


def some_record(draw: random.Random, line: str, defect: bool) -> VerdictRecord:
    """A verdict as a station writes it, in about 800 bytes."""
    score = draw.uniform(0.5, 1.0) if defect else draw.betavariate(2, 9)
    label, by = int(defect), "cloud" if draw.random() < 0.05 else "edge"
    return VerdictRecord(
        id=f"{line}-{draw.randrange(10**10):010d}",
        path=f"images/20250101-00/{draw.randrange(16**16):016x}.png",
        sha256=f"{draw.randrange(16**64):064x}",
        line=line,
        time=BEGIN,
        label=label,
        score=score,
        p_defect=score,
        kind=draw.choice(("dent", "scratch")) if defect else None,
        decided_by="cloud" if by == "cloud" else "edge",
        reason="sure",
        route=Route("edge", "sure"),
        complexity=draw.random(),
        edge=EdgeRecord(score=score, label=label, p_defect=score),
        ms={name: draw.uniform(1, 20) for name in ("decode", "edge", "judging", "waiting", "answer")},
        energy_j=draw.uniform(0.2, 0.6),
    )


def build(path: Path, rows: int) -> None:
    """Make the database; without syncs, as it can be made again."""
    draw = random.Random(18)
    with closing(open_database(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -200000")
        for first in range(1, rows + 1, _STEP):
            db.execute("BEGIN")
            made = list(_some_rows(draw, first, min(first + _STEP, rows + 1), rows))
            for sql, part in zip((_FRAMES, _VERDICTS, _LATEST), zip(*made, strict=True), strict=True):
                db.executemany(sql, part)
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _some_rows(
    draw: random.Random, first: int, end: int, rows: int
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]]:
    records = {
        defect: [some_record(draw, f"line-{n}", defect) for n in range(100)] for defect in (False, True)
    }
    encoded = {id(one): msgspec.json.encode(one) for many in records.values() for one in many}
    for seq in range(first, end):
        record = draw.choice(records[draw.random() < 0.02])
        line, now = f"line-{seq % LINES}", BEGIN + seq * YEAR / rows
        key, version = f"camera/part_{seq:09d}_side{seq % 4}.png", str(1 + 4 * seq // rows)
        part = "old lot" if seq <= rows // 20 else f"P{seq // 2:09d}"
        kind = "rare kind" if record.label and seq % 9973 == 0 else record.kind
        sha256 = f"{draw.getrandbits(256):064x}"
        late, seconds = draw.random() < 0.001, record.ms["answer"] / 1e3
        yield (
            (seq, line, key, sha256, now, now, version, record.label, part),
            (seq, now, record.label, encoded[id(record)]),
            (
                *(seq, now, line, folded(frame_name("camera", key)), record.label, record.decided_by),
                *(record.score, record.p_defect, version, kind, late, record.energy_j, seconds),
            ),
        )


def searches(rows: int) -> dict[str, FrameQuery]:
    """Searches of all sorts: those that end soon, and those that find little or nothing."""
    middle = BEGIN + YEAR / 2
    return {
        "the newest": FrameQuery(),
        "a page in the middle": FrameQuery(before=rows // 2),
        "defects": FrameQuery(label=1),
        "defects of a line by the cloud": FrameQuery(label=1, line="line-3", decided_by="cloud"),
        "a rare kind": FrameQuery(kind="rare kind"),
        "a kind that is not there": FrameQuery(kind="hole"),
        "an old version's defects": FrameQuery(version="1", label=1),
        "a score above 0.9999": FrameQuery(score_from=0.9999),
        "a name, one frame": FrameQuery(name="PART_000000777"),
        "a name that is not there": FrameQuery(name="zebra"),
        "a part of two frames": FrameQuery(part=f"P{rows // 4:09d}"),
        "an id of the oldest twentieth": FrameQuery(part="old lot"),
        "that id, nothing found": FrameQuery(part="old lot", name="zebra"),
        "a part that is not there": FrameQuery(part="zebra"),
        "a day": FrameQuery(since=middle, until=middle + DAY),
        "a day, a name that is not there": FrameQuery(since=middle, until=middle + DAY, name="zebra"),
        "half a year, a name that is not there": FrameQuery(since=middle, name="zebra"),
        "all conditions, nothing found": FrameQuery(
            line="line-3",
            label=1,
            decided_by="cloud",
            state="final",
            since=BEGIN,
            until=BEGIN + YEAR,
            score_from=0.1,
            score_to=0.99,
            name="zebra",
            version="2",
            kind="dent",
        ),
    }


COUNTS: dict[str, tuple[float, float, float, str | None]] = {
    "a year by day": (BEGIN, BEGIN + YEAR, DAY, None),
    "a year by day, half an hour off": (BEGIN + 1800, BEGIN + YEAR + 1800, DAY, None),
    "a year by day, one line": (BEGIN, BEGIN + YEAR, DAY, "line-3"),
    "a year as one": (BEGIN, BEGIN + YEAR, YEAR, None),
    "a month by hour": (BEGIN + YEAR / 2, BEGIN + YEAR / 2 + 30 * DAY, HOUR, None),
    "a day by minute": (BEGIN + YEAR / 2, BEGIN + YEAR / 2 + DAY, 60.0, None),
}


def median(ask: Callable[[], Any], times: int) -> float:
    """Seconds; the first time is left out."""
    ask()
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def measure_reading(reader: SpoolReader, rows: int, times: int) -> None:
    """Print what each search and count takes, and that in full scans."""
    scan = median(lambda: reader._side.rows(_SCAN), times)
    print(f"{'a full scan':40} {1e3 * scan:8.1f} ms    1.00 scans")

    def told(name: str, ask: Callable[[], list[Any]]) -> None:
        took = median(ask, times)
        print(f"{name:40} {1e3 * took:8.1f} ms  {took / scan:6.2f} scans  {len(ask())} rows")

    for name, query in searches(rows).items():
        told(name, lambda query=query: reader.search(query, 50))  # type: ignore[misc]
        if name == "a name that is not there":
            measure_cold(reader, times)
    told("what changed, the last 500", lambda: reader.changes(reader.last_change() - 500))
    for name, window in COUNTS.items():
        told(f"counts: {name}", lambda window=window: reader.verdict_counts(*window))  # type: ignore[misc]


def measure_cold(reader: SpoolReader, times: int) -> None:
    """Print what a search takes while the system holds nothing of the database in memory.

    Once as it is, and once without asking the disk for the table ahead.
    """
    handle = os.open(reader.folder / "spool.sqlite", os.O_RDONLY)  # not closed: that would end SQLite's locks
    took: dict[bool, list[float]] = {True: [], False: []}
    for n in range(2 * times):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        with patch.object(SideReader, "prefetch", SideReader.prefetch if n % 2 else lambda *_: None):
            begun = time.perf_counter()
            reader.search(FrameQuery(name="zebra"))
            took[n % 2 == 1].append(time.perf_counter() - begun)
    ahead, plain = (1e3 * statistics.median(took[with_it]) for with_it in (True, False))
    print(f"{'the same, nothing of it in memory':40} {ahead:8.1f} ms  ({plain:.0f} ms if not read ahead)")


class Line:
    """A spool in which frames wait for their verdicts."""

    def __init__(self, folder: Path, frames: int) -> None:
        self.draw = random.Random(1)
        self.spool = Spool(folder, ("sink",), SpoolLimits(free_gb=0))
        mark = time.time_ns()
        with patch("os.fsync"):
            self.waiting = [self._accept(f"{mark}-{n}") for n in range(frames)]

    def _accept(self, key: str) -> int:
        frame = NewFrame(line="cell", source="s", key=f"s/{key}", suffix=".png", captured=1.0)
        return self.spool.accept(frame, key.encode()).seq

    def decide(self, clock: Callable[[], float] = time.perf_counter) -> float:
        """Write a verdict; seconds that it took by a clock."""
        record = some_record(self.draw, "cell", self.draw.random() < 0.02)
        begun = clock()
        self.spool.decide(self.waiting.pop(), "final", record, version="none")
        return clock() - begun


def measure_table(folder: Path, verdicts: int, *, synced: bool) -> None:
    """Print what a verdict's transaction takes with the table and without it, in turn.

    Once in time with the disk's sync, once in processor time without it, which others disturb less.
    """
    line, clock = Line(folder, 2 * verdicts), time.perf_counter if synced else time.thread_time
    if not synced:
        line.spool._writer.db.execute("PRAGMA synchronous = OFF")
    told: list[float] = []
    plain: list[float] = []
    for _ in range(verdicts):
        told.append(line.decide(clock))
        with patch("saec.station.storage.spool.note_latest", lambda *_: None):
            plain.append(line.decide(clock))
    line.spool.close()
    name = "synced" if synced else "processor time"
    _tell_ratio(f"a verdict, {name}: with the table, without", told, plain)


def measure_beside(data: Path, verdicts: int) -> None:
    """Print what a verdict takes among all the frames while another process searches, and while none does."""
    line = Line(data, 2 * verdicts)
    context = multiprocessing.get_context("spawn")
    go, over = context.Event(), context.Event()
    searching = context.Process(target=search_on, args=(data, go, over))
    searching.start()
    beside: list[float] = []
    alone: list[float] = []
    for n in range(2 * verdicts):
        if n % 50 == 0:
            (go.set if n % 100 == 0 else go.clear)()
            time.sleep(0.2)  # until the search under way has ended
        (beside if n % 100 < 50 else alone).append(line.decide())
    over.set()
    go.set()
    searching.join()
    log = (data / "spool.sqlite-wal").stat().st_size
    line.spool.close()
    _tell_ratio("a verdict beside searches, and alone", beside, alone)
    print(f"the database's log afterwards: {log / 1e6:.1f} MB")


def search_on(data: Path, go: Event, over: Event) -> None:
    """A process's body: search for what is not there, again and again while it may."""
    with closing(SpoolReader.beside(data)) as reader:
        while go.wait() and not over.is_set():
            reader.search(FrameQuery(name="zebra"))


def _tell_ratio(name: str, one: list[float], other: list[float]) -> None:
    for what, share in (("median", 0.5), ("99 %", 0.99)):
        first, second = (sorted(took)[int(share * (len(took) - 1))] for took in (one, other))
        print(f"{name:55} {what:7} {1e6 * first:7.0f} us {1e6 * second:7.0f} us {first / second:6.2f} times")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=9, help="of each question")
    parser.add_argument("--verdicts", type=int, default=500, help="written with the table, and without it")
    parser.add_argument("--folder", type=Path, help="where the database is kept for the next run")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="frame-search-"))
    try:
        data = args.folder or work / "data"
        data.mkdir(parents=True, exist_ok=True)
        if not (path := data / "spool.sqlite").exists():
            begun = time.perf_counter()
            build(path, args.rows)
            size, took = path.stat().st_size / 1e9, time.perf_counter() - begun
            print(f"{args.rows} frames, {size:.2f} GB, made in {took:.0f} s")
        with closing(SpoolReader.beside(data)) as reader:
            measure_reading(reader, args.rows, args.times)
        measure_beside(data, args.verdicts)
        for synced in (True, False):
            measure_table(work / str(synced), args.verdicts, synced=synced)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
