"""How many 256-px frames a second a station judges with its page open, and whether its memory stays flat.

    python benchmarks/station_speed.py --frames 3000

Frames are posted over a few connections as fast as the station takes them, but with at most ``--ahead`` that
wait for a verdict, so what is measured is judging and not queueing. One client asks the API for state, frames
and alarms once a second, pictures included. Processor time is that of the station's process and of those in
which it decodes: unlike frames a second it hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from faults_rig import (
    LINE,
    Site,
    cloud_program,
    free_port,
    give_trust,
    make_site,
    running,
    station_program,
)

_PAGE = ("/v1/status", "/v1/frames?limit=12", "/v1/alarms?limit=8")


@dataclass
class Page:
    """A client that watches the line through the API, once a second."""

    port: int
    polls: int = 0
    seen: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.wait(1.0):
            answers = [get(connection, path) for path in _PAGE]
            for frame in json.loads(answers[1]):
                if frame["map"] and frame["id"] not in self.seen:
                    self.seen.add(frame["id"])
                    get(connection, f"/v1/frames/{frame['id']}/map")
            self.polls += 1


def get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


class Senders:
    """Connections that post frames, each waiting for its verdict before the next."""

    def __init__(self, site: Site) -> None:
        self._site, self._local = site, threading.local()
        self.mark = f"{time.time_ns():x}"

    def post(self, number: int) -> None:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._site.port, timeout=60)
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": f"{self.mark}-{number}"}
        body = self._site.frames[number % len(self._site.frames)]
        self._local.connection.request("POST", f"/v1/lines/{LINE}/frames?wait=30", body, headers)
        answer = self._local.connection.getresponse()
        text = answer.read()
        if answer.status != 201 or json.loads(text)["verdict"] is None:
            raise RuntimeError(f"frame {number}: {answer.status} {text[:300]!r}")


@contextlib.contextmanager
def station_at_work(root: Path, ask: float) -> Iterator[tuple[Site, psutil.Process]]:
    """A station with nothing in it yet, and a stub of a cloud that has a say in a share of the frames."""
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the run")
    port = free_port()
    root.mkdir(parents=True, exist_ok=True)
    site = make_site(root, cloud=f"http://127.0.0.1:{port}/v1", deadline=1.0)
    shutil.rmtree(site.disk, ignore_errors=True)
    station, cloud = station_program(site), cloud_program(root, port, "stub")
    with running(station, cloud):
        cloud.start()
        cloud.wait_ready()
        give_trust(site, ask)
        station.start()
        station.wait_ready()
        assert station.process is not None
        yield site, psutil.Process(station.process.pid)


def measure(site: Site, process: psutil.Process, args: argparse.Namespace) -> list[str]:
    """The rows of the table; memory is taken after each tenth of the frames."""
    page = Page(site.port)
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    senders = Senders(site)
    step = max(1, args.frames // 10)
    rows = []
    with ThreadPoolExecutor(args.ahead) as pool:
        list(pool.map(senders.post, range(-args.warm_up, 0)))
        memory, rates, cpu = [process.memory_info().rss / 1e6], [], processor_time(process)
        for start in range(0, args.frames, step):
            begun = time.perf_counter()
            numbers = range(start, min(start + step, args.frames))
            list(pool.map(senders.post, numbers))
            rates.append(len(numbers) / (time.perf_counter() - begun))
            memory.append(process.memory_info().rss / 1e6)
            print(f"{numbers[-1] + 1} frames, {rates[-1]:.1f} a second, {memory[-1]:.0f} MB", flush=True)
        used = processor_time(process) - cpu
    page.over.set()
    slope = np.polyfit(np.arange(len(memory)) * step, memory, 1)[0] if len(memory) > 2 else float("nan")
    half = len(memory) // 2
    rows.append(f"frames                       {args.frames} of 256 px, {page.polls} polls of the API")
    rows.append(f"frames a second              median {np.median(rates):.1f}, least tenth {min(rates):.1f}")
    rows.append(f"processor time a frame       {1000 * used / args.frames:.1f} ms of the station's processes")
    rows.append(f"memory                       {memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at the end")
    rows.append(f"memory, second half of run   {memory[-1] - memory[half]:+.1f} MB")
    rows.append(f"memory's slope               {slope * 1e5:+.1f} MB in 100,000 frames")
    return rows


def processor_time(process: psutil.Process) -> float:
    """Seconds of a process, of its children, and of those children that it has outlived."""
    children = [sum(child.cpu_times()[:2]) for child in process.children(recursive=True)]
    return float(sum(process.cpu_times()[:4]) + sum(children))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--warm-up", type=int, default=200, help="frames before the first figure")
    parser.add_argument("--ahead", type=int, default=4, help="frames that may wait for a verdict")
    parser.add_argument(
        "--ask", type=float, default=0.1, help="share of frames that the cloud is asked about"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-station"))
    args = parser.parse_args()
    with station_at_work(args.work.resolve(), args.ask) as (site, process):
        rows = measure(site, process, args)
    print("", *rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
