"""A station with many sinks, a polled page and waiting requests, started again and again: it lives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.processes import Program, eventually, serving

STARTS, SINKS, POLLS, FRAMES = 12, 8, 4, 3

OFTEN = "import saec.station.station_program as serve\nserve._TURN = 1e-6\n"
"""Threads take turns as often as they can: what happens to one start in three happens to nearly all."""


@pytest.mark.acceptance
def test_a_station_lives_through_its_first_verdicts(gear_line: Path, gears: Path, tmp_path: Path) -> None:
    image = sorted((gears / "test" / "good").iterdir())[0].read_bytes()
    for start in range(STARTS):
        folder = tmp_path / str(start)
        folder.mkdir()
        _write_settings(folder, gear_line)
        with (
            serving("station", "--config", "station.toml", cwd=folder, before=OFTEN) as station,
            httpx.Client(base_url=station.url, timeout=60) as client,
        ):
            with ThreadPoolExecutor(POLLS + FRAMES) as pool:
                asked = [pool.submit(client.get, "/v1/frames?limit=12") for _ in range(POLLS)]
                asked += [
                    pool.submit(client.post, "/v1/lines/cell/frames?wait=30", content=image, headers=_part(n))
                    for n in range(FRAMES)
                ]
                assert {a.result().status_code for a in asked} <= {200, 201}
            eventually(partial(_ended_or_delivered, station, folder))
        assert station.process.returncode == 0, (start, station.process.returncode)


def _write_settings(folder: Path, line: Path) -> None:
    sinks = "".join(f'[[sink]]\nkind = "files"\nname = "s{n}"\npath = "out{n}"\n' for n in range(SINKS))
    (folder / "station.toml").write_text(
        f'[station]\ndata = "data"\nlisten = "127.0.0.1:0"\n'
        f'[[line]]\nname = "cell"\nprofile = "{line}"\npolicy = "edge"\n{sinks}'
    )


def _part(number: int) -> dict[str, str]:
    """The same image is another frame where it is of another part."""
    return {"Content-Type": "image/png", "Idempotency-Key": f"part-{number}"}


def _ended_or_delivered(station: Program, folder: Path) -> bool:
    return station.process.poll() is not None or _all_delivered(folder)


def _all_delivered(folder: Path) -> bool:
    logs = [list((folder / f"out{n}").glob("*.jsonl")) for n in range(SINKS)]
    return all(sum(len(log.read_text().splitlines()) for log in own) == FRAMES for own in logs)
