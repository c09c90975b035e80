"""A job killed at random moments leaves the line as it was, goes on, and ends with the same candidate.

The page's process and the job's program are the real ones. This test stands for the station: it hands the
page its settings, and where it ends its input, the station has ended.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from saec.profile import sha256_file
from saec.silence import own_environment
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_verify import verify_log
from saec.station.page_supervisor import PAGE
from saec.station.setup.handed_settings import handed_json
from saec.station.setup.station_settings import StationSettings
from saec.station.teaching.teaching_program import done_job
from tests.station.teaching.teaching_bench import TeachingBench

pytestmark = pytest.mark.acceptance

KILLS, JOBS = 20, 5
MOMENTS = 3.0
"""Seconds within which a job is killed after its program was seen."""


class RunningPage:
    """The page's process, begun as the station begins it."""

    def __init__(self, settings: StationSettings) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        handle = self._socket.fileno()
        self.process = subprocess.Popen(
            [*PAGE, str(handle)],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
            env=own_environment(),
            start_new_session=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(handed_json(settings) + b"\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """As where the station was killed: the input ends."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait(60)
        self._socket.close()

    def kill(self) -> None:
        self.process.kill()
        self.end()


def programs(bench: TeachingBench) -> list[int]:
    """The programs that hold the lock of this station's jobs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"teaching_program" not in (folder / "cmdline").read_bytes():
                continue
            held = {str(one.readlink()) for one in (folder / "fd").iterdir()}
            if str(bench.jobs.lock.resolve()) in held:
                found.append(int(folder.name))
    return found


def until(true: Callable[[], object]) -> None:
    waited = threading.Event()
    for _ in range(6000):
        if true():
            return
        waited.wait(0.02)
    raise AssertionError


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.timeout(900)
def test_killed_at_random_moments_the_line_stays_and_the_job_goes_on(bench: TeachingBench) -> None:
    drawn, moment = random.Random(20), threading.Event()
    first = snapshot(bench.versions.path(1))
    killed = {"program": 0, "page": 0, "station": 0, "power": 0}
    page = RunningPage(bench.settings)
    try:
        for count in range(1, JOBS + 1):
            job = bench.ask(bench.choice().work())
            for _ in range(KILLS // JOBS):
                until(lambda: programs(bench) or not bench.jobs.find(job.id).open)  # noqa: B023
                moment.wait(drawn.uniform(0, MOMENTS))
                found = programs(bench)
                assert len(found) <= 1
                what = drawn.choice(sorted(killed))
                killed[what] += 1
                if what in ("program", "power"):
                    for pid in found:
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                if what in ("page", "power"):
                    page.kill()
                if what == "station":
                    page.end()
                state = bench.versions.state()
                assert (state.current, state.shadow) == (1, None)
                assert snapshot(bench.versions.path(1)) == first
                if what != "program":
                    page = RunningPage(bench.settings)
            until(lambda: not bench.jobs.find(job.id).open)  # noqa: B023
            done = bench.jobs.find(job.id)
            assert (done.state, done.outcome.problem, done.outcome.version) == ("done", "", 1 + count)
            known = bench.versions.state().known
            assert [version.number for version in known] == list(range(1, 2 + count))
            page.end()
            again = done_job(bench.settings, bench.jobs.path(job.id))
            assert again.version == done.outcome.version
            assert bench.versions.state().known == known
            assert snapshot(bench.versions.path(1)) == first
            page = RunningPage(bench.settings)
    finally:
        page.kill()
    assert sum(killed.values()) == KILLS
    assert min(killed.values()) > 0
    assert bench.versions.state().current == 1
    assert not list(bench.versions.folder.glob("*.partial"))
    verify_log(AuditLog(bench.data))
