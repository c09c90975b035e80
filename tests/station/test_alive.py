"""A station in a process of its own lives as a whole or not at all, and can be stopped at any moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.station.station_fakes import DEFECT, GOOD, png

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def station(folder: Path, port: int, hang: str = "", **env: str) -> Iterator[subprocess.Popen[str]]:
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.station.station_program", str(folder), str(port), hang],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **env},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What it logs, as it comes."""
    assert process.stderr is not None
    return (json.loads(line) for line in process.stderr if line.startswith("{"))


def test_of_two_stations_started_together_on_one_port_one_ends_and_says_why(tmp_path: Path) -> None:
    port = free_port()
    with station(tmp_path / "a", port) as a, station(tmp_path / "b", port) as b:
        refused, other = None, None
        while refused is None:
            for one, two in ((a, b), (b, a)):
                try:
                    one.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
                refused, other = one, two
        assert refused.stderr is not None
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in refused.stderr.read()
        assert refused.returncode == 1
        assert other is not None
        assert next(e for e in events(other) if e["event"] == "listening")
        other.send_signal(signal.SIGTERM)
        assert other.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_hangs_heeds_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with station(tmp_path / "a", 0, "start") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(number)
        assert process.wait(60) == 0
        assert "stopped during the start" in "".join(e["event"] for e in events(process))


def test_a_sink_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with station(tmp_path / "a", 0, "sink") as process:
        log = events(process)
        where = next(e["address"] for e in log if e["event"] == "listening")
        image: dict[str, Any] = {"content": png(GOOD), "headers": {"Content-Type": "image/png"}}
        assert httpx.post(f"{where}v1/lines/cell/frames", **image, trust_env=False).status_code == 201
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGTERM)
        assert next(e["hanging"] for e in log if e["event"].startswith("station stopped")) == [
            "sink-log",
            "closing",
        ]
        assert process.wait(60) == 0


def test_a_hang_fails_health_and_watchdog_counts_against_its_frame_once_that_was_alone_and_holds_no_end_up(
    tmp_path: Path,
) -> None:
    name = str(tmp_path / "notify")
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd,
        station(tmp_path / "a", 0, "edge", NOTIFY_SOCKET=name) as process,
    ):
        systemd.bind(name)
        systemd.settimeout(60)
        log = events(process)
        where = next(e["address"] for e in log if e["event"] == "listening")
        heard = [systemd.recv(1000) for _ in range(3)]
        assert heard[0] == b"READY=1"
        assert b"WATCHDOG=1" in heard
        with httpx.Client(base_url=where, timeout=30, trust_env=False) as client:
            image: dict[str, Any] = {"content": png(GOOD, blue=77), "headers": {"Content-Type": "image/png"}}
            assert client.post("v1/lines/cell/frames", **image).status_code == 201
            assert process.stdout is not None
            assert process.stdout.readline() == "hanging\n"  # on a busy machine it is late long before
            while b"STATUS=" not in heard[-1] or b"edge-cell has been stuck" not in heard[-1]:
                heard.append(systemd.recv(1000))
            health, ready = client.get("health"), client.get("ready")
        assert health.status_code == ready.status_code == 503
        stuck = {thread["thread"]: thread for thread in health.json()["threads"]}
        assert "edge-cell has been stuck" in stuck["edge-cell"]["what"]
        assert "edge-cell" in " ".join(ready.json()["problems"])
        process.send_signal(signal.SIGABRT)  # as systemd's watchdog does
        first = next(i for i, words in enumerate(heard) if b"edge-cell has been stuck" in words)
        assert b"WATCHDOG=1" not in heard[first:]
        assert process.stderr is not None
        assert "in inspect" in process.stderr.read()  # where the thread hangs
        assert process.wait(60) == -signal.SIGABRT
    with station(tmp_path / "a", 0, "edge") as process:
        log = events(process)
        assert not next(e for e in log if e["event"].startswith("a crash"))["counts_for_quarantine"]
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"  # it is tried again, alone, when no other frame waits
        process.send_signal(signal.SIGTERM)
        assert "edge-cell" in next(e["hanging"] for e in log if e["event"].startswith("station stopped"))
        assert process.wait(60) == 0
    with station(tmp_path / "a", 0, "edge") as process:
        assert next(e for e in events(process) if e["event"].startswith("a crash"))["counts_for_quarantine"]


class Supervisor:
    """What systemd does: ends a station by SIGABRT that has not fed the watchdog, and begins it again."""

    SILENCE = 4.0

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.starts = folder, port, 0
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join(60)

    def _run(self) -> None:
        name = str(self.folder / "notify")
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
            systemd.bind(name)
            while not self.over.is_set():
                self.starts += 1
                with station(self.folder / "a", self.port, "edge", NOTIFY_SOCKET=name) as process:
                    drain = threading.Thread(target=process.communicate, daemon=True)
                    drain.start()
                    self._wait_ready(systemd)
                    self._wait_silent(systemd)
                    process.send_signal(signal.SIGABRT)
                    drain.join(30)

    def _wait_ready(self, systemd: socket.socket) -> None:
        systemd.settimeout(60)
        while systemd.recv(1000) != b"READY=1":
            pass

    def _wait_silent(self, systemd: socket.socket) -> None:
        systemd.settimeout(0.2)
        silent = 0.0
        while silent < self.SILENCE and not self.over.is_set():
            try:
                silent = 0.0 if systemd.recv(1000) == b"WATCHDOG=1" else silent
            except TimeoutError:
                silent += 0.2


@pytest.mark.acceptance
@pytest.mark.timeout(300)
def test_a_frame_that_hangs_each_time_is_in_quarantine_after_three_lone_ends_and_the_others_are_judged(
    tmp_path: Path,
) -> None:
    port = free_port()
    where, tick = f"http://127.0.0.1:{port}/", threading.Event()
    with Supervisor(tmp_path, port) as systemd, httpx.Client(base_url=where, trust_env=False) as client:

        def ask(method: str, path: str, **how: Any) -> Any:
            """Until it is answered, whatever ends meanwhile; a frame's key makes that safe."""
            while True:
                try:
                    answer = client.request(method, path, timeout=5, **how)
                    answer.raise_for_status()
                    return answer.json()
                except httpx.HTTPError:
                    tick.wait(0.1)

        ids = []
        for key, image in enumerate([png(GOOD), png(GOOD, blue=77), png(GOOD), png(DEFECT)]):
            headers = {"Content-Type": "image/png", "Idempotency-Key": str(key)}
            ids.append(ask("POST", "v1/lines/cell/frames", content=image, headers=headers)["id"])
        finals: dict[Any, Any] = {}
        while len(finals) < 4:
            records = [ask("GET", f"v1/frames/{id}") for id in ids]
            finals = {r["id"]: r["verdicts"]["final"] for r in records if "final" in r["verdicts"]}
            tick.wait(0.1)
        assert [finals[id]["label"] for id in ids] == [0, None, 0, 1]
        assert "quarantine" in finals[ids[1]]["error"]["message"]
        assert "quarantined" in [alarm["kind"] for alarm in ask("GET", "v1/alarms")]
        assert systemd.starts == 5
        assert ask("GET", "health") == {"status": "ok"}
