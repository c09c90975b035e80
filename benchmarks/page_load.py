"""What the page costs a line: memory, deadlines and frames a second while browsers look on.

    python benchmarks/page_load.py --minutes 60 --clients 20
    python benchmarks/page_load.py --cost --clients 5

The first sends frames at a steady rate, a tenth of the time without and then with browsers on Live. It shows
the memory of the station's and of the page's process, the frames that missed their deadline, and the time of
a frame from its arrival until a browser has it. The second sends frames as fast as they are judged, in turns
without and with browsers, and compares. The browsers run on the same machine and take their share of it;
processor time is that of the station's processes alone. The cloud is a stub that answers at once. The status
is 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from faults_rig import (
    LINE,
    Program,
    Site,
    cloud_program,
    free_port,
    give_trust,
    make_site,
    running,
    station_program,
)

from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from saec.station.storage.spool_reader import SpoolReader

HERE = Path(__file__).parent
MEMORY, COST, SHOWN = 0.03, 0.05, 0.3
"""Shares by which memory may grow and frames a second may fall; seconds from arrival to the browsers."""

_AT_ONCE = 4


def visitor(site: Site) -> str:
    """The cookie of a person who may look."""
    data, settings = site.disk / "data", PeopleSettings()
    people, sessions = PeopleStore(data, settings), Sessions(data, settings)
    person = people.find("bench") or people.add("bench", Role.VIEWER, "four wet stones in a row")
    return sessions.start(person)


class Browsers:
    """Browsers in a process of their own."""

    def __init__(self, site: Site, number: int) -> None:
        args = [sys.executable, str(HERE / "page_clients.py"), str(site.port), visitor(site), str(number)]
        self._process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> dict[str, Any]:
        """End them; what they saw."""
        out, _ = self._process.communicate()
        seen: dict[str, Any] = json.loads(out)
        return seen


class Sender:
    """Posts frames over a few connections, and waits for each one's verdict."""

    def __init__(self, site: Site) -> None:
        self._site, self._local = site, threading.local()
        self._mark, self._number = f"{time.time_ns():x}", 0
        self._lock = threading.Lock()

    def post(self, _: int = 0) -> None:
        with self._lock:
            self._number += 1
            number = self._number
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._site.port, timeout=60)
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": f"{self._mark}-{number}"}
        body = self._site.frames[number % len(self._site.frames)]
        self._local.connection.request("POST", f"/v1/lines/{LINE}/frames?wait=30", body, headers)
        answer = self._local.connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"frame {number}: {answer.status} {text[:300]!r}")


@dataclass
class Processes:
    """The station's process, its page and its decoders."""

    station: psutil.Process

    def page(self) -> psutil.Process:
        """The page's process, which may have been started anew.

        Raises:
            RuntimeError: there is none.
        """
        for child in self.station.children():
            if "saec.station.page.page_program" in child.cmdline():
                return child
        raise RuntimeError("the page does not run")

    def used(self) -> float:
        """Processor seconds of the station and all that it has started."""
        children = [sum(child.cpu_times()[:2]) for child in self.station.children(recursive=True)]
        return float(sum(self.station.cpu_times()[:4]) + sum(children))

    def memory(self) -> tuple[float, float]:
        """Megabytes of the station's process and of the page's."""
        return self.station.memory_info().rss / 1e6, self.page().memory_info().rss / 1e6


def steady(site: Site, processes: Processes, args: argparse.Namespace) -> bool:
    """Frames at a steady rate, first without and then with browsers."""
    seconds = 60 * args.minutes
    sender, reader = Sender(site), SpoolReader.beside(site.disk / "data")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        paced(pool, sender, args.fps, 0.1 * seconds)
        before = reader.last_change()
        browsers = Browsers(site, args.clients)
        paced(pool, sender, args.fps, 0.05 * seconds)  # until all has been opened once
        memory = [processes.memory()]
        for _ in range(args.looks):
            paced(pool, sender, args.fps, 0.85 * seconds / args.looks)
            memory.append(processes.memory())
            print(f"station {memory[-1][0]:.1f} MB, page {memory[-1][1]:.1f} MB", flush=True)
        seen = browsers.close()
    late = [0, 0]
    waited, n = [], 0
    while found := reader.changes(n):
        n = found[-1].n
        for frame in found:
            late[frame.n > before] += bool(frame.late)
            waited += [at - frame.time for at in seen["first"].get(frame.id, [])]
    station, page = np.array(memory).T
    grown = np.median(station[-3:]) / np.median(station[:3]) - 1
    print(f"\nframes judged                {n}, {args.fps:g} a second, {args.clients} browsers on Live")
    print(f"late verdicts                {late[0]} without browsers, {late[1]} with")
    ends = f"{station[0]:.1f} MB at first, {station[-1]:.1f} MB at the end"
    print(f"memory of the station        {ends} ({grown:+.1%})")
    print(f"memory of the page           {page[0]:.1f} MB at first, {page[-1]:.1f} MB at the end")
    half, most = np.quantile(waited, (0.5, 0.95))
    print(f"from arrival to a browser    median {1000 * half:.0f} ms, 95 % within {1000 * most:.0f} ms")
    print(f"messages, pictures, MB       {seen['messages']}, {seen['pictures']}, {seen['bytes'] / 1e6:.1f}")
    print(f"refused, broken streams      {seen['refused'] or 0}, {seen['breaks']}")
    return bool(grown <= MEMORY and late[1] <= late[0] and half <= SHOWN)


def paced(pool: ThreadPoolExecutor, sender: Sender, fps: float, seconds: float) -> None:
    """Send frames at a rate for so long."""
    begun, jobs = time.monotonic(), []
    for number in range(max(1, round(seconds * fps))):
        time.sleep(max(0.0, begun + number / fps - time.monotonic()))
        jobs.append(pool.submit(sender.post))
    for job in jobs:
        job.result()


def cost(site: Site, processes: Processes, args: argparse.Namespace) -> bool:
    """Frames as fast as they are judged, in turns without and with browsers."""
    sender = Sender(site)
    rates: dict[bool, list[float]] = {False: [], True: []}
    used: dict[bool, list[float]] = {False: [], True: []}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(sender.post, range(args.frames)))
        for _ in range(args.rounds):
            for watched in (False, True):
                browsers = Browsers(site, args.clients) if watched else None
                time.sleep(3.0)
                cpu, begun = processes.used(), time.perf_counter()
                list(pool.map(sender.post, range(args.frames)))
                rates[watched].append(args.frames / (time.perf_counter() - begun))
                used[watched].append(1000 * (processes.used() - cpu) / args.frames)
                if browsers is not None:
                    browsers.close()
            print(f"{rates[False][-1]:.1f} frames/s alone, {rates[True][-1]:.1f} watched", flush=True)
    ratio = np.median(np.array(rates[True]) / np.array(rates[False]))
    more = np.median(np.array(used[True]) / np.array(used[False]))
    pairs = f"median of {args.rounds} pairs"
    print(f"\nframes/s with {args.clients} browsers    {ratio:.3f} times those without ({pairs})")
    print(f"processor time a frame     {more:.3f} times, of the station, its page and its decoders")
    return bool(ratio >= 1 - COST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--fps", type=float, default=10.0, help="frames a second of the steady run")
    parser.add_argument("--looks", type=int, default=20, help="measurements of memory in the steady run")
    parser.add_argument("--cost", action="store_true", help="what browsers cost in frames a second instead")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of turns with --cost")
    parser.add_argument("--frames", type=int, default=400, help="frames of a turn with --cost")
    parser.add_argument(
        "--ask", type=float, default=0.1, help="share of frames that the cloud is asked about"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-page"))
    args = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the run")
    root, port = args.work.resolve(), free_port()
    root.mkdir(parents=True, exist_ok=True)
    site = make_site(root, cloud=f"http://127.0.0.1:{port}/v1", deadline=1.0)
    shutil.rmtree(site.disk, ignore_errors=True)
    station, cloud = station_program(site), cloud_program(root, port, "stub")
    with running(station, cloud):
        start(site, station, cloud, args.ask)
        assert station.process is not None
        processes = Processes(psutil.Process(station.process.pid))
        held = (cost if args.cost else steady)(site, processes, args)
    return 0 if held else 1


def start(site: Site, station: Program, cloud: Program, ask: float) -> None:
    """Start both, with a cloud that has a say."""
    cloud.start()
    cloud.wait_ready()
    give_trust(site, ask)
    station.start()
    station.wait_ready()


if __name__ == "__main__":
    sys.exit(main())
