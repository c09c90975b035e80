"""A year of a line in simulation: does the data folder stay in its bounds, and is anything lost?

    python benchmarks/year.py
    python benchmarks/year.py --frames 2000000

The clock is turned from frame to frame; spool, retention, clock guard, couriers and sinks are the station's
own, over a data folder of 1 GB. Frames come in three shifts on weekdays, not at weekends, nor for three weeks
of summer. Receivers are away for days, the cloud for more days than frames may wait for it, the clock is
wrong at starts and jumps in between, the station is started anew every two weeks.

By default 100,000 frames stand for 2 million: a factor of 20, each image 20 times as large as such a line's
(0.1 to 0.7 MB, 40 GB in all), so that the folder turns over as often. Ends with status 1 where a bar is
missed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import psutil
import structlog
from year_ledger import Ledger, of_files, of_webhook
from year_site import DAY, DAYS, QUOTA, Clock, Quota, Receiver, Site, refuse_folder

from saec.errors import SpoolFullError
from saec.station.storage.records import NewFrame

YEAR = 365
SUMMER = range(200, 221)
AWAY = {40: "away", 45: "up", 120: "gone", 134: "up", 290: "away", 291: "up"}
"""Days at which the webhook's receiver becomes another."""

FOLDER_AWAY = {70: True, 73: False}
CLOUD_AWAY = [range(100, 106), range(250, 252)]
STARTS = range(13, YEAR, 14)
WRONG_AT_START = {27: 40 * DAY, 111: -300 * DAY, 195: 400 * DAY}
"""Days of starts at which the clock is wrong by so much, for three hours."""

JUMPS = {60: 5 * DAY, 160: -2 * 3600.0, 330: 40 * DAY}
"""Days at which the clock jumps while the station runs, for three hours."""

MEMORY = 10e6
"""Bytes by which the process may grow from the end of the second month on."""

_SWEEP = 4
"""Frames for each sweep: 2 million frames a year are four a minute, the time between two sweeps."""


class Year:
    """Turns the clock through a year."""

    def __init__(self, site: Site, receiver: Receiver, frames: int, seed: int) -> None:
        self.site, self._receiver, self._frames = site, receiver, frames
        self._random = random.Random(seed)
        self._pool = self._random.randbytes(1_000_000)
        self._asked: deque[tuple[float, int]] = deque()
        self.refused = self.sweeps = self.starts = 0
        self.memory: list[tuple[int, int]] = []
        self._right_at = 0.0

    def pass_by(self) -> None:
        """The whole year, then all that waits."""
        begin, clock = self.site.clock.true, self.site.clock
        work = [day for day in range(YEAR) if day % 7 < 5 and day not in SUMMER]
        each = -(-self._frames // len(work))
        for day in range(YEAR):
            self._begin_day(day)
            frames = each if day in work else 0
            for n in range(frames):
                clock.true = begin + (day + (n + 0.5) / frames) * DAY
                self._step(day, n)
            for hour in range(0 if frames else 24):
                clock.true = begin + (day + (hour + 0.5) / 24) * DAY
                self._rest(day)
            if day % 30 == 29:
                self.memory.append((day, psutil.Process().memory_info().rss))
                print(f"day {day + 1}: {self._words()}", flush=True)
        self._settle()

    def _step(self, day: int, n: int) -> None:
        self._accept(day)
        self.site.data.look()
        if n % _SWEEP == 0:
            self._rest(day)

    def _rest(self, day: int) -> None:
        clock = self.site.clock
        if clock.wrong and clock.true >= self._right_at:
            clock.wrong = 0.0
        self._answer(day)
        self.site.deliver()
        self.site.housekeeping.turn()
        self.sweeps += 1
        self.site.data.look()

    def _begin_day(self, day: int) -> None:
        if day in AWAY:
            self._receiver.become(AWAY[day])
        if day in FOLDER_AWAY:
            refuse_folder(self.site.log.path, refused=FOLDER_AWAY[day])
        if day in JUMPS:
            self._set_clock(JUMPS[day])
        if day in STARTS:
            self.site.close()
            if day in WRONG_AT_START:
                self._set_clock(WRONG_AT_START[day])
            self.site.open()
            self.starts += 1

    def _set_clock(self, wrong: float) -> None:
        self.site.clock.wrong, self._right_at = wrong, self.site.clock.true + 3 * 3600

    def _accept(self, day: int) -> None:
        size = self._random.randint(100_000, 700_000)
        start = self._random.randrange(len(self._pool) - size)
        data = self._pool[start : start + size] + self._random.randbytes(8)
        key = f"part-{self._random.getrandbits(64)}"
        frame = NewFrame(line="cell", source="robot", key=key, suffix=".png", captured=self.site.clock.wall())
        try:
            seq = self.site.spool.accept(frame, data).seq
        except SpoolFullError as e:
            if not self.refused:
                print(f"day {day}: refused: {e}")
            self.refused += 1
            return
        label, asked = int(self._random.random() < 0.1), self._random.random() < 0.2
        self.site.ledger.accept(seq, self.site.clock.true, asked=asked)
        if not asked:
            self.site.decide(seq, "final", label)
            return
        self.site.spool.ask(seq, b"x" * 900, "1")
        self.site.decide(seq, "provisional", label)
        self._asked.append((self.site.clock.true + self._random.random() * 7200, seq))

    def _answer(self, day: int) -> None:
        """The cloud's answers, where it can be reached."""
        if any(day in away for away in CLOUD_AWAY):
            return
        for _ in range(len(self._asked)):
            due, seq = self._asked.popleft()
            if due > self.site.clock.true:
                self._asked.append((due, seq))
            elif not self.site.ledger.is_final(seq):
                self.site.decide(seq, "final", int(self._random.random() < 0.2))

    def _settle(self) -> None:
        """Until every sink has what it takes."""
        for _ in range(10_000):
            self._rest(YEAR)
            if not self._asked and not self.site.waiting():
                break
            self.site.clock.true += 60
        self.memory.append((YEAR, psutil.Process().memory_info().rss))

    def _words(self) -> str:
        quota = self.site.spool.quota
        return (
            f"{self.site.ledger.last:,} frames, folder {quota.used() / 1e6:.0f} MB of {QUOTA / 1e6:.0f} "
            f"(images {quota.images / 1e6:.0f}, database {quota.database() / 1e6:.0f}), "
            f"{self.site.waiting()} deliveries wait, process {self.memory[-1][1] / 1e6:.0f} MB"
        )


def bars(year: Year, quota: Quota, out: Path, log: Path) -> Iterator[tuple[str, str, bool]]:
    """Each bar: what, the figure, and whether it is held."""
    ledger = year.site.ledger
    frames, open_frames = ledger.last, sum(not ledger.is_final(seq) for seq in ledger.frames())
    how = "as the kernel counts, which would refuse more" if quota.enforced else "as the files' sizes say"
    text = f"{quota.most / 1e6:.1f} MB of {QUOTA / 1e6:.0f}, {how}"
    yield "most that the folder held", text, quota.most <= QUOTA
    yield "frames refused", f"{year.refused} of {frames + year.refused:,}", year.refused == 0
    yield "accepted frames without a final verdict", f"{open_frames} of {frames:,}", open_frames == 0
    yield "images gone early", f"{ledger.early} of {sum(ledger.gone.values()):,} gone", ledger.early == 0
    text = f"{ledger.gone['room']:,} and {ledger.gone['age']:,}"
    yield "images gone for room, and for age", text, min(ledger.gone["room"], ledger.gone["age"]) > 0
    yield "images gone without a final verdict", str(ledger.unjudged), ledger.unjudged == 0
    yield "images gone before others that should go first", str(ledger.wrong_order), ledger.wrong_order == 0
    held, verdicts = list(ledger.held()), set(ledger.verdicts())
    lost = sum(
        (found := year.site.spool.frame(seq)) is None or not year.site.spool.path(found).is_file()
        for seq in held
    )
    yield "images that should be there and are not", f"{lost} of {len(held):,}", lost == 0
    for name, sinks in (
        ("file sink", of_files(out, verdicts)),
        ("webhook", of_webhook(log, verdicts)),
    ):
        told = f"{sinks.missing} of {len(verdicts):,}, {sinks.doubled} came twice"
        yield f"verdicts missing at the {name}", told, sinks.missing == 0
    letters = len(year.site.spool.outbox.letters("mes"))
    yield "verdicts that the webhook refuses, as dead letters", str(letters), letters > 0
    first, last = year.memory[1][1], year.memory[-1][1]
    told = f"{first / 1e6:.0f} MB after 60 days, {last / 1e6:.0f} MB at the end"
    yield "memory of the process", told, last - first <= MEMORY
    alarms = year.site.spool.alarms(500)
    kinds = sorted({alarm.kind for alarm in alarms})
    yield "alarms, and their kinds", f"{len(alarms)}: {', '.join(kinds)}", len(alarms) < 200


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--work", type=Path, help="folder for everything; by default in memory")
    args = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    base = "/dev/shm" if args.work is None and Path("/dev/shm").is_dir() else None
    work = args.work or Path(tempfile.mkdtemp(prefix="saec-year-", dir=base))
    work.mkdir(parents=True, exist_ok=True)
    begun, quota = time.monotonic(), Quota(work / "data")
    receiver = Receiver(work / "received.txt")
    try:
        site = Site(quota, work / "verdicts", receiver, Clock(), Ledger(DAYS, 2 * args.frames + 1000))
        year = Year(site, receiver, args.frames, args.seed)
        year.pass_by()
        print(f"\n{args.frames:,} frames, {year.sweeps:,} sweeps, {year.starts} starts, seed {args.seed}, "
              f"{time.monotonic() - begun:.0f} s on {os.cpu_count()} processors")  # fmt: skip
        print("\n| bar | result | |\n|---|---|---|")
        held = [
            print(f"| {what} | {told} | {'held' if good else 'MISSED'} |") or good
            for what, told, good in bars(year, quota, work / "verdicts", work / "received.txt")
        ]
        site.close()
    finally:
        receiver.close()
        quota.close()
        shutil.rmtree(work, ignore_errors=True)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
