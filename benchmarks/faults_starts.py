"""Starts of a station, counted: many sinks, polled pages and frames that come at once, then a stop.

A station that decodes, compiles or opens something for the first time in several threads at once would end
by a signal in some of its starts. Each start has an empty data folder, so that every first time comes again.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
from faults_pages import Pages
from faults_rig import LINE, Site, free_port, make_site, running, station_program

_FRAMES = 3
_PATIENCE = 60.0


def count_starts(root: Path, starts: int, *, sinks: int, pages: int) -> list[str]:
    """What went wrong, a sentence each; nothing where every start lived and ended with status 0.

    Args:
        root: folder of the site.
        starts: how often the station is started.
        sinks, pages: how many folders take its verdicts, and how many pages are open.
    """
    root.mkdir(parents=True, exist_ok=True)
    site = make_site(root, cloud=f"http://127.0.0.1:{free_port()}/v1", deadline=30.0, sinks=sinks)
    wrong: list[str] = []
    seconds: list[float] = []
    for number in range(1, starts + 1):
        shutil.rmtree(site.disk, ignore_errors=True)
        (site.disk / "in").mkdir(parents=True)
        took, said = _live(site, pages)
        seconds.append(took)
        if said:
            wrong.append(f"start {number}: {said}")
            print(wrong[-1], flush=True)
        elif number % 20 == 0:
            print(f"{number} starts, {len(wrong)} went wrong", flush=True)
    print(f"start to ready: {median(seconds):.1f} s at the median, {max(seconds):.1f} s at most")
    return wrong


def _live(site: Site, pages: int) -> tuple[float, str]:
    """One life of the station: seconds from its start to ready, and what went wrong with it."""
    station = station_program(site)
    with running(station), Pages(site.url, pages):
        station.start()
        try:
            took = station.wait_ready(_PATIENCE)
        except RuntimeError as e:
            return time.monotonic() - station.started, str(e)
        with ThreadPoolExecutor(_FRAMES) as pool:
            answers = Counter(pool.map(lambda n: _post(site, n), range(_FRAMES)))
        until = time.monotonic() + _PATIENCE
        while station.alive and not _all_delivered(site) and time.monotonic() < until:
            time.sleep(0.02)
        delivered, status = _all_delivered(site), station.stop()
    if status:
        return took, f"status {status}; its frames got {dict(answers)}"
    if set(answers) != {"201"} or not delivered:
        return took, f"its frames got {dict(answers)}; all verdicts delivered: {delivered}"
    return took, ""


def _post(site: Site, number: int) -> str:
    """The status, or the error's name, that a frame is answered with."""
    headers = {"Content-Type": "image/jpeg", "Idempotency-Key": f"part-{number}"}
    try:
        answer = httpx.post(
            f"{site.url}/v1/lines/{LINE}/frames?wait=30",
            content=site.frames[number % len(site.frames)],
            headers=headers,
            timeout=_PATIENCE,
            trust_env=False,
        )
    except httpx.HTTPError as e:
        return type(e).__name__
    return str(answer.status_code)


def _all_delivered(site: Site) -> bool:
    with contextlib.suppress(OSError):
        logs = [log for folder in site.verdicts for log in folder.glob("*.jsonl")]
        lines = [len(log.read_text().splitlines()) for log in logs]
        return len(lines) == len(site.verdicts) and all(count == _FRAMES for count in lines)
    return False
