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
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from faults_rig import Site
from station_speed import Senders, processor_time, station_at_work

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

    def memory(self) -> tuple[float, float]:
        """Megabytes of the station's process and of the page's."""
        return self.station.memory_info().rss / 1e6, self.page().memory_info().rss / 1e6


def steady(site: Site, processes: Processes, args: argparse.Namespace) -> bool:
    """Frames at a steady rate, first without and then with browsers."""
    seconds = 60 * args.minutes
    reader = SpoolReader.beside(site.disk / "data")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        paced(pool, site, args.fps, 0.1 * seconds)
        before = reader.last_change()
        browsers = Browsers(site, args.clients)
        paced(pool, site, args.fps, 0.05 * seconds)  # until all has been opened once
        memory = [processes.memory()]
        for _ in range(args.looks):
            paced(pool, site, args.fps, 0.85 * seconds / args.looks)
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


def paced(pool: ThreadPoolExecutor, site: Site, fps: float, seconds: float) -> None:
    """Send frames at a rate for so long."""
    senders, begun, jobs = Senders(site), time.monotonic(), []
    for turn in range(max(1, round(seconds * fps))):
        time.sleep(max(0.0, begun + turn / fps - time.monotonic()))
        jobs.append(pool.submit(senders.post, turn))
    for job in jobs:
        job.result()


def cost(site: Site, processes: Processes, args: argparse.Namespace) -> bool:
    """Frames as fast as they are judged, in turns without and with browsers."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    used: dict[bool, list[float]] = {False: [], True: []}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(Senders(site).post, range(args.frames)))
        for _ in range(args.rounds):
            for watched in (False, True):
                browsers = Browsers(site, args.clients) if watched else None
                time.sleep(3.0)
                cpu, begun = processor_time(processes.station), time.perf_counter()
                list(pool.map(Senders(site).post, range(args.frames)))
                rates[watched].append(args.frames / (time.perf_counter() - begun))
                used[watched].append(1000 * (processor_time(processes.station) - cpu) / args.frames)
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
    with station_at_work(args.work.resolve(), args.ask) as (site, process):
        held = (cost if args.cost else steady)(site, Processes(process), args)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
