"""Does a station lose anything? Faults at random moments against real processes on loopback.

    python benchmarks/faults.py --minutes 4 --faults 50 --seed 0 --rate 20
    python benchmarks/faults.py --starts 200

A robot posts frames with keys until each is acknowledged; the station judges them, asks the cloud through a
proxy, and writes verdicts to several folders and to a webhook, while pages ask for the latest frames.
Meanwhile, at seeded random moments: SIGKILL of station or cloud, a link that is cut, hangs or is slow, a
receiver that is away, gone or refuses everything, a disk that is full, a clock that is stepped or is 40 days
ahead at a start, no file handle left, hundreds of idle connections, files that cost a decoder all its time,
and power cuts, after which the station's disk is set back to what was synced. At the end the faults are over,
the backlog is let drain, and what was acknowledged is compared with the database, the images, the verdict
files and what the webhook took. The status is 1 where a bar is missed. Full disks and power cuts need the
right to mount; without it they are left out, and that is said. With --starts a station is started so often,
each time under an empty folder and with all its sinks and pages, and its crashes are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from faults_check import Outcome, examine
from faults_link import Link
from faults_pages import Pages
from faults_poison import Poison, jpeg_of_scans
from faults_receiver import Receiver, State
from faults_rig import (
    FREE,
    HERE,
    Clock,
    Disk,
    Program,
    Site,
    cloud_program,
    free_port,
    give_trust,
    make_site,
    running,
    station_program,
)
from faults_starts import count_starts

RECEIVER: dict[str, State] = {
    "receiver away": "away",
    "receiver gone": "gone",
    "receiver refuses all": "refuses all",
}
OWN = ("kill station", "kill cloud", "clock step", "clock wrong at start", "no handles")
ROBOT = ("poison frame", "poison frame that holds", "idle connections")
ALWAYS = (*OWN, *ROBOT, "cut link", "link hangs", "slow link", *RECEIVER)
MOUNTED = ("full disk", "disk below reserve", "power cut")
SINKS, PAGES = 8, 4
_TICK = 0.02
_IDLE = 400
"""Connections that a robot opens and says nothing on."""

_AHEAD = 40 * 86400.0


@dataclass
class Bench:
    """The processes and what is done to them."""

    site: Site
    station: Program
    cloud: Program
    link: Link
    receiver: Receiver
    clock: Clock
    disk: Disk | None
    rng: np.random.Generator
    due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    unfair: list[tuple[float, float]] = field(default_factory=list)
    starved: list[tuple[float, float]] = field(default_factory=list)
    poison: Poison = field(init=False)
    ended: list[str] = field(default_factory=list)
    n: int = 0

    def __post_init__(self) -> None:
        self.poison = Poison(self.site.url)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self.n += 1
        heapq.heappush(self.due, (time.monotonic() + seconds, self.n, action))

    def start_station(self) -> None:
        self.station.start()
        self.starts.append(self.station.started)

    def tick(self) -> None:
        """Do what is due, and start again what has ended by itself, as a supervisor would."""
        while self.due and self.due[0][0] <= time.monotonic():
            heapq.heappop(self.due)[2]()
        if not self.station.alive:
            full = any(begun <= time.monotonic() <= over for begun, over in self.unfair)
            if not full:  # SQLite cannot begin without room for its index
                self.ended.append(f"the station ended by itself at its start {self.station.starts}")
            time.sleep(0.5)
            self.start_station()
        time.sleep(_TICK)

    def fault(self, kind: str) -> None:
        """Let one thing happen; what ends by itself is ended later."""
        seconds = float(self.rng.uniform(2, 6))
        if kind == "kill station":
            self.station.kill()
            self.start_station()
        elif kind == "power cut":
            assert self.disk is not None
            self.disk.power_cut(self.station)
            self.start_station()
        elif kind in RECEIVER:
            self.receiver.state = RECEIVER[kind]
            self.later(seconds, self._mend_receiver)
        elif kind == "kill cloud":
            self.cloud.kill()
            self.later(float(self.rng.uniform(0, 3)), self._start_cloud)
        elif kind == "no handles":
            self._starve(seconds)
        elif kind == "idle connections":
            idle = connections(self.site.port, _IDLE)
            self.later(seconds, lambda: close_all(idle))
        elif kind.startswith("poison frame"):
            holds = kind.endswith("holds")
            self.poison.send(jpeg_of_scans(8192, 88) if holds else jpeg_of_scans(64, 40_000), holds=holds)
        elif kind == "clock wrong at start":
            self.station.kill()
            self.clock.step(_AHEAD)
            self.start_station()
            self.later(seconds, lambda: self.clock.step(-_AHEAD))
        elif kind == "clock step":
            self.clock.step(float(self.rng.choice([-86400, -3600, -5, 5, 3600, 86400])))
        elif kind in ("full disk", "disk below reserve"):
            self._fill(0 if kind == "full disk" else int(FREE * 0.6e9), seconds / 2)
        else:
            state = {"cut link": "cut", "link hangs": "hangs", "slow link": "slow"}[kind]
            self.link.set(state, delay=float(self.rng.uniform(0.1, 0.8)))  # type: ignore[arg-type]
            self.later(seconds, lambda: self.link.set("up"))

    def _starve(self, seconds: float) -> None:
        """No further file or connection can be opened; frames are neither taken nor read meanwhile."""
        self.station.limit_handles(0)
        now = time.monotonic()
        self.starved.append((now, now + seconds + 1.0))
        self.later(seconds, lambda: self.station.limit_handles(None))

    def _mend_receiver(self) -> None:
        self.receiver.state = "takes"

    def _start_cloud(self) -> None:
        if not self.cloud.alive:
            self.cloud.start()

    def _fill(self, left: int, seconds: float) -> None:
        assert self.disk is not None
        self.disk.fill(left)
        now = time.monotonic()
        self.unfair.append((now, now + seconds + 1.0))
        self.later(seconds, self.disk.make_room)


def connections(port: int, count: int) -> list[socket.socket]:
    """So many connections to a station, as far as it takes them."""
    found: list[socket.socket] = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            found.append(socket.create_connection(("127.0.0.1", port), timeout=1))
    return found


def close_all(open_ones: list[socket.socket]) -> None:
    for one in open_ones:
        one.close()


def moments(
    minutes: float, count: int, kinds: tuple[str, ...], rng: np.random.Generator
) -> list[tuple[float, str]]:
    """Seconds from the beginning and what happens then; every kind equally often, give or take one."""
    at = np.sort(rng.uniform(5, 60 * minutes, count))
    drawn = rng.permutation([kinds[i % len(kinds)] for i in range(count)])
    return [(float(t), str(kind)) for t, kind in zip(at, drawn, strict=True)]


def drain(bench: Bench, seconds: float) -> float:
    """Wait until nothing waits in the spool; how long it took, or infinity."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        bench.tick()
        with contextlib.suppress(httpx.HTTPError):
            depth = httpx.get(f"{bench.site.url}/v1/status", timeout=5).json()["spool"]
            if not any(count for name, count in depth.items() if name != "bytes"):
                return time.monotonic() - begun
        time.sleep(0.2)
    return float("inf")


def run(args: argparse.Namespace) -> Outcome:
    """The whole experiment."""
    root, rng = args.work.resolve(), np.random.default_rng(args.seed)
    root.mkdir(parents=True, exist_ok=True)
    inner, outer, hook = free_port(), free_port(), free_port()
    cloud = f"http://127.0.0.1:{outer}/v1"
    site = make_site(root, cloud=cloud, deadline=args.deadline, sinks=SINKS, hook=hook)
    frames = root / "frames"
    shutil.rmtree(frames, ignore_errors=True)
    frames.mkdir()
    for i, frame in enumerate(site.frames):
        (frames / f"{i:03d}.jpg").write_bytes(frame)
    shutil.rmtree(site.disk, ignore_errors=True)
    disk = Disk(site.disk) if Disk.possible() else None
    kinds = ALWAYS + (MOUNTED if disk is not None else ())
    clock = Clock(root / "clock")
    for log in root.glob("*.log"):
        log.unlink()
    bench = Bench(
        site, station_program(site, clock.path), cloud_program(root, inner, args.cloud), Link(outer, inner),
        Receiver(hook), clock, disk, rng,
    )  # fmt: skip
    acks = root / "acknowledged.jsonl"
    try:
        with running(bench.station, bench.cloud), Pages(site.url, PAGES):
            return _attack(bench, args, moments(args.minutes, args.faults, kinds, rng), acks)
    finally:
        if disk is not None:
            disk.detach()


def _attack(bench: Bench, args: argparse.Namespace, plan: list[tuple[float, str]], acks: Path) -> Outcome:
    bench.cloud.start()
    bench.cloud.wait_ready()
    give_trust(bench.site, args.ask)
    bench.start_station()
    bench.station.wait_ready()
    command: list[str | Path] = [
        sys.executable,
        HERE / "faults_feeder.py",
        bench.site.url,
        bench.site.root / "frames",
    ]
    rates: list[str | Path] = ["--rate", str(args.rate), "--wait", str(args.deadline), "--out", acks]
    feeder = subprocess.Popen([*command, *rates, *(["--at-once"] if args.at_once else [])])
    try:
        begun = time.monotonic()
        for at, kind in plan:
            while time.monotonic() - begun < at:
                bench.tick()
            print(f"{at:6.1f} s  {kind}", flush=True)
            bench.fault(kind)
        while time.monotonic() - begun < 60 * args.minutes or bench.due:
            bench.tick()
        feeder.terminate()
        ended = time.monotonic()
        while feeder.poll() is None and time.monotonic() - ended < 120:
            bench.tick()
    finally:
        feeder.kill()
    bench.poison.join()
    bench.receiver.picky = False  # what it still refuses would wait for another verdict, and none comes
    drained = drain(bench, args.drain)
    status = bench.station.stop()
    bench.station.start()
    wall, cpu = bench.station.wait_ready(), bench.station.processor_time()
    bench.station.stop()
    return examine(
        bench.site, acks, bench.receiver, args.deadline,
        faults=Counter(kind for _, kind in plan), starts=bench.starts, unfair=bench.unfair, drained=drained,
        poison=bench.poison, starved=bench.starved,
        ready=f"{wall:.1f} s, of which {cpu:.1f} s on a processor",
        ended=[*bench.ended, *([f"the station stopped with status {status}"] if status else [])],
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=20.0, help="frames a second")
    parser.add_argument("--deadline", type=float, default=1.0, help="of the line, seconds")
    parser.add_argument(
        "--ask", type=float, default=0.25, help="share of frames that the cloud is asked about"
    )
    parser.add_argument(
        "--cloud", choices=("stub", "service"), default="stub", help="service is `saec cloud`"
    )
    parser.add_argument(
        "--at-once", action="store_true", help="the robot sends all it kept back at once, not in turn"
    )
    parser.add_argument("--drain", type=float, default=180.0, help="seconds for the backlog at the end")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-faults"))
    parser.add_argument("--starts", type=int, help="only count the crashes of so many starts")
    args = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; cloud: {args.cloud}")
    if args.starts is not None:
        wrong = count_starts(args.work.resolve(), args.starts, sinks=SINKS, pages=PAGES)
        print(f"{args.starts} starts with {SINKS} sinks and {PAGES} pages: {len(wrong)} went wrong")
        return 1 if wrong else 0
    if not Disk.possible():
        print(f"left out, for want of the right to mount: {', '.join(MOUNTED)}")
    outcome = run(args)
    print(outcome.table())
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
