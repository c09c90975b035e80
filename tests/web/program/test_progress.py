"""A turn in time is all that is asked, announced sleep is no hang, and systemd hears of it while all turn."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import EndedError
from saec.web.program import main_thread as starting
from saec.web.program.liveness import Heartbeat, PoolHeartbeat, StuckThread, stuck_threads
from saec.web.program.main_thread import Signals, keep_watch
from saec.web.program.systemd import Systemd


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """A thread that is known by its heartbeat alone."""

    name: str
    pulse: Heartbeat

    def stuck(self) -> StuckThread | None:
        return self.pulse.stuck()

    def status(self) -> dict[str, Any]:
        return self.pulse.status(alive=True)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=20), st.floats(0, 1000))
def test_a_thread_is_stuck_when_its_turn_is_not_made_within_rest_and_limit(turns: Any, at: float) -> None:
    clock = Clock()
    pulse, due = Heartbeat("edge", 10.0, clock), 10.0
    for passed, rest in turns:
        clock.now += passed
        pulse.rest(rest)
        due = clock.now + rest + 10.0
    clock.now += at
    assert (pulse.stuck() is not None) == (clock.now > due)


def test_it_is_said_which_thread_is_stuck_and_since_when() -> None:
    clock = Clock()
    slow, fast = Heartbeat("edge-a", 10.0, clock), Heartbeat("edge-b", 100.0, clock)
    clock.now = 75.0
    both = [Watched("edge-a", slow), Watched("edge-b", fast)]
    (found,) = stuck_threads(both)
    assert found.thread == "edge-a"
    assert "stuck for 75 s; at most 10 s are allowed" in found.what
    slow.turn()
    assert stuck_threads(both) == []


def test_a_pool_is_stuck_only_while_a_job_is_under_way_even_if_nobody_waits_for_it() -> None:
    clock = Clock()
    jobs = PoolHeartbeat("decoders", 10.0, clock)
    clock.now = 1e6
    assert jobs.stuck() is None
    first, second = Future[None](), Future[None]()
    jobs.add(first)
    jobs.add(second)
    clock.now += 9.0
    second.set_result(None)
    clock.now += 9.0
    assert jobs.stuck() is None
    clock.now += 2.0
    assert jobs.stuck() is not None
    first.cancel()
    assert jobs.stuck() is None
    clock.now = math.inf
    assert jobs.stuck() is None


@pytest.fixture(params=["file", "abstract"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd has it, and its name as systemd gives it."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@saec-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bound:
        bound.bind("\0" + name[1:] if name.startswith("@") else name)
        bound.settimeout(30)
        yield bound, name


def test_systemd_hears_of_start_life_and_end(receiver: tuple[socket.socket, str]) -> None:
    bound, name = receiver
    systemd = Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "6000000"})
    assert systemd.interval == 2.0
    systemd.ready()
    systemd.alive()
    systemd.status("edge is\nstuck")
    systemd.status("edge is\nstuck")
    systemd.stopping()
    heard = [bound.recv(1000) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STATUS=edge is stuck", b"STOPPING=1"]


def test_where_nobody_hears_nothing_fails(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": ""}):
        systemd = Systemd(environ)
        systemd.ready()
        systemd.alive()
        assert systemd.interval is None


class FakeHttp:
    def __init__(self) -> None:
        self.ended = False

    def check(self) -> None:
        if self.ended:
            raise EndedError("http has ended")


def test_the_watchdog_is_fed_only_while_nothing_is_stuck(
    receiver: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_WATCH", 0.01)
    bound, name = receiver
    stuck: list[StuckThread] = []
    http, watching = FakeHttp(), threading.Event()

    def look() -> list[StuckThread]:
        watching.set()
        return stuck

    def hear(word: bytes) -> list[bytes]:
        heard = [bound.recv(1000)]
        while not heard[-1].startswith(word):
            heard.append(bound.recv(1000))
        return heard

    def drive() -> None:
        assert hear(b"WATCHDOG")[0] == b"READY=1"
        stuck.append(StuckThread("edge", 0.0, "edge has made no turn"))
        assert hear(b"STATUS")[-1] == b"STATUS=edge has made no turn"
        watching.clear()
        watching.wait(30)
        stuck.clear()
        assert hear(b"STATUS")[:-1] in ([], [b"WATCHDOG=1"])  # not while it was stuck
        http.ended = True

    failures: list[BaseException] = []

    def driven() -> None:
        try:
            drive()
        except BaseException as e:
            failures.append(e)
            http.ended = True

    driver = threading.Thread(target=driven)
    driver.start()
    with Signals() as signals, pytest.raises(EndedError):
        keep_watch(signals, http, look, Systemd({"NOTIFY_SOCKET": name}))  # type: ignore[arg-type]
    driver.join(30)
    assert failures == []
