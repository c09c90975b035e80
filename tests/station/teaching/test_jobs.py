"""Jobs beside the line: one at a time, begun again where they were, and nothing lost with a process."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.records import SpoolLimits
from saec.station.teaching import job_runner
from saec.station.teaching.job_records import FitJob, Job
from saec.station.teaching.job_runner import MOST_CRASHES, NO_ROOM, JobRunner
from saec.station.teaching.job_store import KEPT, KEPT_S, MOST_OPEN, JobError, JobStore, job_lock

STEPS = """
import json, os, pathlib, sys, threading
wish = json.loads(sys.stdin.readline())
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
folder = pathlib.Path(wish["folder"])
(folder / "work").mkdir(exist_ok=True)
with open(folder / "begun", "a") as file:
    file.write(f"{os.getpid()}\\n")
for step in range(40):
    target = folder / "work" / str(step)
    if not target.exists():
        partial = target.with_suffix(".partial")
        partial.write_text("x")
        partial.replace(target)
partial = folder / "outcome.partial"
partial.write_text(json.dumps({"version": len(list((folder / "work").glob("*[0-9]")))}))
partial.replace(folder / "outcome.json")
os._exit(0)
"""
WAITS = """
import json, sys, pathlib
folder = pathlib.Path(json.loads(sys.stdin.readline())["folder"])
(folder / "runs").touch()
sys.stdin.read()
"""
DIES = "import os, sys; sys.stdin.readline(); print('so it goes', flush=True); os.kill(os.getpid(), 9)"
REFUSES = """
import json, sys, pathlib
folder = pathlib.Path(json.loads(sys.stdin.readline())["folder"])
(folder / "outcome.json").write_text('{"problem": "no images", "remedy": "give some"}')
"""


def settings(tmp_path: Path, free_gb: float = 0.0) -> StationSettings:
    station = StationSection(name="cell", data=tmp_path / "data")
    return StationSettings(station=station, spool=SpoolLimits(free_gb=free_gb))


def runner(tmp_path: Path, program: str, **more: object) -> tuple[JobStore, JobRunner]:
    store = JobStore(tmp_path / "data")
    return store, JobRunner(settings(tmp_path), store, command=[sys.executable, "-c", program], **more)  # type: ignore[arg-type]


def ask(store: JobStore, line: str = "bottle") -> Job:
    return store.add(line, FitJob(), "anna", "engineer", "because")


def until(true: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(3000):
        if true():
            return
        waited.wait(0.01)
    raise AssertionError


def test_a_job_is_done_and_what_it_was_made_of_goes(tmp_path: Path) -> None:
    store, running = runner(tmp_path, STEPS)

    def given(folder: Path) -> None:
        (folder / "1.png").write_bytes(b"x")

    job = store.add("bottle", FitJob(overkill_rate=0.1), "anna", "engineer", "because", given)
    assert (store.path(job.id) / "given" / "1.png").is_file()
    assert store.path(job.id).stat().st_mode & 0o077 == 0
    assert running.turn()
    done = store.find(job.id)
    assert (done.state, done.outcome.version, done.starts, done.crashes) == ("done", 40, 1, 0)
    assert done.begun is not None
    assert done.ended is not None
    assert done.work == FitJob(overkill_rate=0.1)
    assert not (store.path(job.id) / "given").exists()
    assert not (store.path(job.id) / "work").exists()
    assert not running.turn()


def test_jobs_are_done_in_their_order_and_a_line_has_one(tmp_path: Path) -> None:
    store, running = runner(tmp_path, STEPS)
    first, second = ask(store, "a"), ask(store, "b")
    with pytest.raises(JobError, match="a job of the line a waits or runs"):
        ask(store, "a")
    assert [job.id for job in store.all()] == [second.id, first.id]
    running.turn()
    assert [job.state for job in store.all()] == ["waiting", "done"]
    running.turn()
    ask(store, "a")
    for at in range(MOST_OPEN - 1):
        ask(store, f"line-{at}")
    with pytest.raises(JobError, match="jobs wait"):
        ask(store, "one-more")


def test_a_failure_says_why(tmp_path: Path) -> None:
    store, running = runner(tmp_path, REFUSES)
    job = ask(store)
    running.turn()
    failed = store.find(job.id)
    assert (failed.state, failed.outcome.problem, failed.outcome.remedy) == (
        "failed",
        "no images",
        "give some",
    )


def test_a_program_that_ends_without_a_word_is_begun_again_but_not_for_ever(tmp_path: Path) -> None:
    store, running = runner(tmp_path, DIES)
    job = ask(store)
    for count in range(1, MOST_CRASHES):
        running.turn()
        assert (store.find(job.id).state, store.find(job.id).crashes) == ("running", count)
    running.turn()
    failed = store.find(job.id)
    assert (failed.state, failed.starts) == ("failed", MOST_CRASHES)
    assert "signal 9" in failed.outcome.problem
    assert store.log(job.id) == "so it goes\n" * MOST_CRASHES


def test_a_job_that_waits_or_runs_is_cancelled(tmp_path: Path) -> None:
    store, running = runner(tmp_path, WAITS)
    job = ask(store)
    store.ask_end(job.id)
    running.turn()
    assert store.find(job.id).state == "cancelled"
    job = ask(store)
    running.start()
    until((store.path(job.id) / "runs").exists)
    store.ask_end(job.id)
    until(lambda: store.find(job.id).state == "cancelled")
    running.stop()
    store.ask_end(job.id)
    assert store.find(job.id).state == "cancelled"


def test_a_runner_that_ends_leaves_its_job_to_the_next(tmp_path: Path) -> None:
    store, running = runner(tmp_path, WAITS)
    job = ask(store)
    running.start()
    until((store.path(job.id) / "runs").exists)
    running.stop()
    assert store.find(job.id).state == "running"
    assert store.find(job.id).crashes == 0
    _, other = runner(tmp_path, STEPS)
    other.turn()
    assert (store.find(job.id).state, store.find(job.id).starts) == ("done", 2)


def test_a_job_that_ended_while_nobody_looked_is_not_begun_again(tmp_path: Path) -> None:
    store, running = runner(tmp_path, DIES)
    job = ask(store)
    store.write(msgspec.structs.replace(job, state="running", starts=1))
    (store.path(job.id) / "outcome.json").write_text('{"version": 4}')
    running.turn()
    assert (store.find(job.id).state, store.find(job.id).outcome.version) == ("done", 4)
    assert store.find(job.id).starts == 1


def test_one_runs_at_a_time_whoever_runs_it(tmp_path: Path) -> None:
    store, running = runner(tmp_path, STEPS)
    ask(store)
    with job_lock(store.lock) as held:
        assert held is not None
        with job_lock(store.lock) as second:
            assert second is None
        assert not running.turn()
        with subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[held]
        ) as child:
            os.close(os.dup(held))
            with job_lock(store.lock) as third:
                assert third is None
            child.kill()
    assert running.turn()


def test_the_program_holds_the_lock_where_its_runner_was_killed(tmp_path: Path) -> None:
    store, _ = runner(tmp_path, WAITS)
    ask(store)
    deaf = f"import sys, time; sys.stdin.readline(); print('here', flush=True); time.sleep(600)  # {tmp_path}"
    page = (
        "import sys; from pathlib import Path; from tests.station.teaching.test_jobs import runner\n"
        f"runner(Path({str(tmp_path)!r}), {deaf!r})[1].turn()"
    )
    with subprocess.Popen([sys.executable, "-c", page], start_new_session=True) as held:
        (job,) = store.all()
        until(lambda: "here" in store.log(job.id))
        held.kill()
    with job_lock(store.lock) as lock:
        assert lock is None
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if deaf.encode() in path.read_bytes() and b"runner(" not in path.read_bytes():
            os.kill(int(path.parent.name), signal.SIGKILL)
    until(lambda: runner(tmp_path, STEPS)[1].turn())
    assert store.find(job.id).state == "done"


def test_a_damaged_file_is_a_job_that_failed(tmp_path: Path) -> None:
    store, running = runner(tmp_path, STEPS)
    broken, whole = ask(store, "a"), ask(store, "b")
    (store.path(broken.id) / "job.json").write_text('{"id": ')
    assert running.turn()
    states = {job.id: job for job in store.all()}
    assert states[whole.id].state == "done"
    assert (states[broken.id].state, states[broken.id].damaged) == ("failed", True)
    assert "is damaged" in states[broken.id].outcome.problem
    (store.path(broken.id) / "job.json").unlink()
    assert "missing" in store.find(broken.id).outcome.problem
    assert not running.turn()


@pytest.mark.parametrize("id", ["", "..", "../../people", "20260101-000000-000000-zzzzzz"])
def test_only_ids_are_ids(tmp_path: Path, id: str) -> None:
    with pytest.raises(JobError):
        JobStore(tmp_path).find(id)


def test_without_room_nothing_is_begun(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    running = JobRunner(settings(tmp_path, free_gb=1e9), store, command=[sys.executable, "-c", STEPS])
    job = ask(store)
    running.turn()
    failed = store.find(job.id)
    assert (failed.state, failed.outcome.problem, failed.starts) == ("failed", NO_ROOM, 0)
    assert "are needed" in failed.outcome.remedy


def test_a_disk_that_runs_full_meanwhile_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, running = runner(tmp_path, WAITS)
    job = ask(store)

    def full(path: Path) -> object:
        begun = (store.path(job.id) / "runs").exists()
        return shutil._ntuple_diskusage(100, 50, -1 if begun else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", full)
    running.turn()
    assert (store.find(job.id).state, store.find(job.id).outcome.problem) == ("failed", NO_ROOM)


def test_old_jobs_go_and_so_does_what_was_never_whole(tmp_path: Path) -> None:
    now = [1e9]
    store = JobStore(tmp_path / "data", lambda: now[0])
    for _ in range(KEPT + 3):
        now[0] += 1
        job = ask(store)
        store.write(msgspec.structs.replace(job, state="done", ended=now[0]))
    (store.folder / ".left.partial").mkdir()
    os.utime(store.folder / ".left.partial", (1e8, 1e8))
    store.tidy()
    assert len(store.all()) == KEPT
    assert not (store.folder / ".left.partial").exists()
    now[0] += KEPT_S + 1
    store.tidy()
    assert store.all() == []


def test_killed_at_random_moments_it_ends_as_if_it_were_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is killed when it has done so many of its steps; what was done is not done again."""
    drawn = random.Random(20)
    dying = STEPS.replace(
        "        partial.replace(target)\n",
        "        dies = int((folder / 'dies').read_text())\n"
        "        if step == dies: os.kill(os.getpid(), 9)\n"
        "        partial.replace(target)\n"
        "        if step == dies - 100: os.kill(os.getpid(), 9)\n",
    )
    store, running = runner(tmp_path, dying)
    monkeypatch.setattr(job_runner, "MOST_CRASHES", 30)
    job = ask(store)
    moments = sorted(drawn.sample(range(40), 10))
    for kills, moment in enumerate(moments, 1):
        (store.path(job.id) / "dies").write_text(str(moment + drawn.choice((0, 100))))
        running.turn()
        assert (store.find(job.id).state, store.find(job.id).crashes) == ("running", kills)
    (store.path(job.id) / "dies").write_text("-1")
    running.turn()
    assert (store.find(job.id).state, store.find(job.id).outcome.version) == ("done", 40)
