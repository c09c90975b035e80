"""A station's storage under a clock that a benchmark turns: real spool, retention and sinks, simulated parts.

The data folder is a file system of its own in memory, of exactly the budget, where this process may mount
one: the kernel then refuses the byte that would be too many. Else the folder is walked and counted.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from year_ledger import DAY, Ledger

from saec.station.delivery import DeliveryWorker
from saec.station.housekeeping import Housekeeping
from saec.station.sinks import FileSink, WebhookSink
from saec.station.storage.records import Retention, SpooledFrame, SpoolLimits
from saec.station.storage.space.eviction import Eviction, undelivered
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord

HERE = Path(__file__).parent
QUOTA = 1_000_000_000
DAYS, RECORD_DAYS, HOURS = 14.0, 180.0, 72.0


class Clock:
    """True time, and a wall clock that may be wrong; both begin in 2026."""

    def __init__(self) -> None:
        self.true, self.wrong = 1.7672e9, 0.0

    def wall(self) -> float:
        return self.true + self.wrong

    def steady(self) -> float:
        return self.true


class Quota:
    """A folder of at most so many bytes, and the most that it ever held."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most = folder, 0
        folder.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={QUOTA}", "tmpfs", str(folder)]
        self.enforced = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0

    def look(self) -> None:
        if self.enforced:
            disk = os.statvfs(self.folder)
            self.most = max(self.most, (disk.f_blocks - disk.f_bfree) * disk.f_frsize)
        else:
            sizes = (path.lstat().st_size for path in self.folder.rglob("*"))
            self.most = max(self.most, sum(-(-size // 4096) * 4096 for size in sizes))

    def close(self) -> None:
        if self.enforced:
            subprocess.run(["umount", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Receiver:
    """The receiver of the webhook, in a process of its own."""

    def __init__(self, log: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "year_receiver.py", log], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def become(self, mode: str) -> None:
        httpx.post(f"{self.url}/mode", content=mode, trust_env=False)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Site:
    """Opens the station's storage, again and again, and holds it against the ledger."""

    def __init__(self, data: Quota, out: Path, receiver: Receiver, clock: Clock, ledger: Ledger) -> None:
        self.data, self._receiver, self.clock, self.ledger = data, receiver, clock, ledger
        self.log = FileSink(name="log", path=out)
        self.mes = WebhookSink(name="mes", url=f"{receiver.url}/v", timeout_s=10.0)
        self._rests: dict[str, float] = {}
        self.open()

    def open(self) -> None:
        """As at a start."""
        limits = SpoolLimits(size_gb=QUOTA / 1e9, free_gb=0.0, wait_hours=HOURS)
        self.spool = Spool(self.data.folder, ("log", "mes"), limits, self.clock.wall)
        wall, steady = self.clock.wall, self.clock.steady
        self.delivery_workers = [
            DeliveryWorker(s, s.make_sink(), self.spool.outbox, self.spool.alarm, clock=wall, steady=steady)
            for s in (self.log, self.mes)
        ]
        self.housekeeping = Housekeeping(
            self.spool,
            Retention(image_days=DAYS, record_days=RECORD_DAYS),
            ["cell"],
            self._expire,
            backlogs=[worker.keep_within for worker in self.delivery_workers],
            wall=self.clock.wall,
            steady=self.clock.steady,
            synchronised=lambda wall: False,
        )
        self._rests = dict.fromkeys(("log", "mes"), 0.0)
        self._watch(self.spool.eviction)

    def _watch(self, eviction: Eviction) -> None:
        """Hold each image that goes against the ledger, with what was so just before."""
        drop: Callable[..., None] = eviction._forget_images

        def noted(db: object, rows: list[tuple[int, str, int]]) -> None:
            short = self.spool.quota.short(share=0.95) > 0 or self.spool.quota.short(1_000_000) > 0
            seqs = [seq for seq, image, _ in rows if image]
            first = undelivered(self.spool._writer.db)
            self.ledger.images_gone(seqs, self.clock.true, short=short, undelivered=first)
            drop(db, rows)

        eviction._forget_images = noted  # type: ignore[method-assign]

    def close(self) -> None:
        self.spool.close()

    def decide(self, seq: int, state: str, label: int) -> None:
        """Write a verdict as long as a real one is."""
        id = f"cell-{seq:010d}"
        verdict = VerdictRecord(
            id=id, path="x" * 200, sha256="0" * 64, line="cell", time=self.clock.wall(), label=label, seq=seq,
            score=1.0, p_defect=0.5, reason="sure", map=f"{id}.jpg",
        )  # fmt: skip
        if self.spool.decide(seq, state, verdict, edge=b"x" * 900) and state == "final":  # type: ignore[arg-type]
            self.ledger.finish(seq, label)

    def _expire(self, frame: SpooledFrame) -> None:
        self.decide(frame.seq, "final", 0)

    def deliver(self) -> None:
        """Let each courier do what it has to, until it rests."""
        for worker in self.delivery_workers:
            while self.clock.true >= self._rests[worker.name]:
                rest = worker.turn()
                self._rests[worker.name] = self.clock.true + rest
                if rest:
                    break

    def waiting(self) -> int:
        return sum(self.spool.outbox.backlog(name).waiting for name in ("log", "mes"))


def refuse_folder(folder: Path, *, refused: bool) -> None:
    """Put a file where the file sink's folder is, or take it away."""
    kept = folder.with_name(f"{folder.name}.kept")
    with contextlib.suppress(FileNotFoundError):
        if refused:
            folder.rename(kept)
            folder.write_text("")
        else:
            folder.unlink()
            kept.rename(folder)


__all__ = ["DAY", "Clock", "Quota", "Receiver", "Site", "refuse_folder"]
