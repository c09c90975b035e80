"""An archive on Ray against the plain run: the same verdicts, whatever dies, and at what processor time.

    python benchmarks/bulk.py --frames 20000 --kills 20

A few drawn frames stand in the archive again and again, each file with a text of its own. Then:

1. the plain run judges the archive;
2. `--engine ray` judges it;
3. `--engine ray` judges it while workers are killed at random moments, and the command itself once; it is
   resumed.

Each run is a process of its own. A worker's processor time is read while it lives, so of one that is killed
the last tenth of a second is missing. Ray's own processes stand in a column apart.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

JUDGES = "TableJudge"
"""What a worker's process is named after."""


@dataclass
class Watched:
    """Processor seconds of a command's processes, by what they are.

    Attributes:
        seconds: user and system time of each process that was seen.
        names: what each is: "driver", "worker" or "ray".
    """

    seconds: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def look(self, driver: psutil.Process) -> list[psutil.Process]:
        """Read all clocks; returns the workers."""
        workers = []
        for process in [driver, *children(driver)]:
            try:
                name = "driver" if process == driver else _what(process)
                clock = process.cpu_times()
            except psutil.Error:
                continue
            if self.names.get(process.pid) != "worker":
                self.names[process.pid] = name
            self.seconds[process.pid] = clock.user + clock.system
            if name == "worker":
                workers.append(process)
        return workers

    def total(self, name: str) -> float:
        return sum(s for pid, s in self.seconds.items() if self.names[pid] == name)


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


def _what(process: psutil.Process) -> str:
    return "worker" if JUDGES in " ".join(process.cmdline()[:1]) else "ray"


def marked(data: bytes, number: int) -> bytes:
    """The same picture in another file: a text before the end of the PNG."""
    body = b"tEXtComment\0" + str(number).encode()
    return (
        data[:-12]
        + struct.pack(">I", len(body) - 4)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + data[-12:]
    )


def make(work: Path, frames: int, side: int) -> tuple[Path, Path]:
    """The line and the archive, made once."""
    import saec

    data, line, archive = work / "gear", work / f"line-{side}", work / f"archive-{frames}-{side}"
    if not data.exists():
        arguments = ["--n-train", "24", "--n-good", "20", "--n-defect", "20", "--size-px", "256"]
        saec_command("data", "procedural", "--family", "gear", "--out", str(data), *arguments)
    if not line.exists():
        saec.fit(data, out=line, side_px=side, threads=1, memory_patches=1024, folds=4)
    if not archive.exists():
        pictures = [path.read_bytes() for path in sorted(data.glob("test/*/*.png"))]
        for number in range(frames):
            path = archive / f"{number // 1000:03}" / f"{number:07}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(marked(pictures[number % len(pictures)], number))
    return line, archive


def saec_command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "saec", *arguments], check=True, stdout=subprocess.DEVNULL)


def verdicts(out: Path) -> dict[str, Any]:
    """What each verdict says, without times and order.

    Raises:
        SystemExit: a frame has two.
    """
    from saec.runs.verdict_log import read_all

    found: dict[str, Any] = {}
    for verdict in read_all(out / "verdicts.jsonl"):
        if verdict.id in found:
            sys.exit(f"{verdict.id} has two verdicts")
        plain = msgspec.to_builtins(verdict)
        for name in ("time", "seq", "ms", "energy_j", "cloud_state", "map"):
            del plain[name]
        found[verdict.id] = plain
    return found


class Run:
    """A run that is watched, and whose processes may be killed at the right counts of verdicts."""

    def __init__(self, arguments: list[str], out: Path, kills: list[int], dies_at: int | None) -> None:
        self._arguments, self._out = arguments, out
        self._kills, self._dies_at = kills, dies_at
        self._draw = random.Random(1)
        self.watched, self.killed, self.parts = Watched(), 0, 0
        self._size, self._count = 0, 0

    def to_its_end(self) -> float:
        """Seconds of all parts together."""
        start = time.perf_counter()
        while self._part():
            pass
        return time.perf_counter() - start

    def _part(self) -> bool:
        """One process; True where it was killed and has to be resumed."""
        self.parts += 1
        resume = ["--resume"] if self.parts > 1 else []
        command = [sys.executable, "-m", "saec", *self._arguments, *resume]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            workers = self.watched.look(driver)
            count = self._verdicts()
            if self._dies_at is not None and count >= self._dies_at:
                self._dies_at = None
                below = children(driver)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                psutil.wait_procs(below, 60)
                return True
            if self._kills and count >= self._kills[0] and workers:
                self._kills.pop(0)
                self._draw.choice(workers).kill()
                self.killed += 1
            time.sleep(0.1)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        return False

    def _verdicts(self) -> int:
        log = self._out / "verdicts.jsonl"
        if log.exists():
            with log.open("rb") as f:
                f.seek(self._size)
                new = f.read()
            self._size, self._count = self._size + len(new), self._count + new.count(b"\n")
        return self._count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-bulk"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    line, archive = make(options.work, options.frames, options.side_px)
    draw = random.Random(2)
    kills = sorted(draw.sample(range(options.frames // 50, options.frames * 49 // 50), options.kills))
    dies = draw.randrange(options.frames // 3, options.frames * 2 // 3)
    ray = ["--engine", "ray"]
    cases: list[tuple[str, list[str], list[int], int | None]] = [
        ("plain", ["--split", "all", "--no-maps"], [], None),
        ("ray", ray, [], None),
        ("ray, killed", ray, kills, dies),
    ]
    print(f"{options.frames:,} frames, side {options.side_px} px, {os.cpu_count()} CPUs")
    print(
        "| run | s | worker ms/frame | of plain | driver ms/frame | Ray's own s | killed | parts | verdicts |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    expected: dict[str, Any] = {}
    base = 0.0
    for name, more, at, dies_at in cases:
        out = options.work / name.replace(", ", "-")
        shutil.rmtree(out, ignore_errors=True)
        run = Run(["inspect", str(archive), "--line", str(line), "--out", str(out), *more], out, at, dies_at)
        seconds = run.to_its_end()
        found = verdicts(out)
        expected = expected or found
        same = sum(found.get(id) == one for id, one in expected.items())
        worker = run.watched.total("driver" if name == "plain" else "worker") / options.frames * 1e3
        base = base or worker
        driver = "" if name == "plain" else f"{run.watched.total('driver') / options.frames * 1e3:.2f}"
        print(
            f"| {name} | {seconds:.0f} | {worker:.2f} | {worker / base:.2f} | {driver} | "
            f"{run.watched.total('ray'):.0f} | {run.killed} | {run.parts} | "
            f"{len(found):,}, {same:,} equal |",
            flush=True,
        )


if __name__ == "__main__":
    main()
