"""Runs the jobs of a station one after the other, each by a program of its own, and looks after it.

It is a thread of the page's process, or the command line. Where it ends, its program ends, too; the next
one begins the job again, and each step that was done is not done twice.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog

from saec.silence import own_environment
from saec.station.line.version_store import VersionStore
from saec.station.setup.handed_settings import handed_json
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.storage_quota import GIGABYTE
from saec.station.teaching.job_records import CompareJob, FitJob, Job, JobOutcome, TeachJob
from saec.station.teaching.job_store import JobStore, job_lock

TEACHING = [sys.executable, "-P", "-m", "saec.station.teaching.teaching_program"]
"""The program that does a job; it imports nothing from where it begins."""

MOST_CRASHES = 5
"""So often the program of a job may end without a word before the job has failed."""

SILENT_S = 1800.0
"""Seconds without progress after which the program is ended and begun again."""

NO_ROOM = "the disk has no room for it"

_LEAST = 50e6
"""Bytes for logs, pictures that lie on another disk, and whatever else."""

_LOOK_S, _IDLE_S, _PAUSE_S = 0.25, 2.0, 5.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

log = structlog.get_logger()


class JobRunner:
    """Does the jobs of a station.

    Args:
        settings: the station's.
        store: its jobs.
        command: what does one: it reads what is asked as one line, and writes into the job's folder.
        changed: called when a job has come further.
    """

    def __init__(
        self,
        settings: StationSettings,
        store: JobStore,
        *,
        command: Sequence[str] = TEACHING,
        changed: Callable[[Job], None] = lambda _job: None,
    ) -> None:
        self._settings, self._store, self._command, self._changed = settings, store, command, changed
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Do jobs in a thread until ``stop``."""
        self._thread = threading.Thread(target=self._run, name="saec-jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """A job was added: look at once."""
        self._wake.set()

    def stop(self) -> None:
        """End the program of the job that is under way; the next runner begins it again."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def see_through(self, id: str, say: Callable[[str], None]) -> Job:
        """Do jobs until one has ended, and tell what its program says; an interruption cancels it.

        Where the page of a running station holds the jobs, it does them, and this only tells.

        Args:
            id: the job.
            say: takes each new piece of its log.
        """
        told = 0
        self.start()
        try:
            while (job := self._store.find(id)).open:
                told = self._tell(id, told, say)
                try:
                    self._stopping.wait(_LOOK_S)
                except KeyboardInterrupt:
                    self._store.ask_end(id)
        finally:
            self.stop()
        self._tell(id, told, say)
        return job

    def _tell(self, id: str, told: int, say: Callable[[str], None]) -> int:
        with contextlib.suppress(OSError), (self._store.path(id) / "log.txt").open("rb") as file:
            file.seek(told)
            new = file.read()
            if new:
                say(new.decode("utf-8", "replace"))
            return told + len(new)
        return told

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = _IDLE_S
            try:
                if self.turn():
                    continue
            except Exception as e:  # a full disk; it is tried again
                log.error("job not done", error=repr(e))
                pause = _PAUSE_S
            self._wake.wait(pause)
            self._wake.clear()

    def turn(self) -> bool:
        """Do the next job, until it has ended or its program has; whether there was one to do.

        Raises:
            OSError: what became of it cannot be written.
        """
        with job_lock(self._store.lock) as lock:
            if lock is None:
                return False
            self._store.tidy()
            job = self._store.next()
            if job is None:
                return False
            ended = self._done_before(job) or self._without_room(job)
            if ended is None:
                begun = msgspec.structs.replace(
                    job, state="running", begun=job.begun or time.time(), starts=job.starts + 1
                )
                self._write(begun)
                ended = self._tried(begun, lock)
            self._write(ended)
            if not ended.open:
                self._store.tidy()
        return not self._stopping.is_set()

    def _write(self, job: Job) -> None:
        self._store.write(job)
        self._changed(job)

    def _done_before(self, job: Job) -> Job | None:
        """A job that somebody has cancelled, or whose program has ended and nobody saw it."""
        if (outcome := self._store.outcome(job.id)) is not None:
            return _ended(job, outcome)
        if self._store.is_to_end(job.id):
            return _cancelled(job)
        return None

    def _without_room(self, job: Job) -> Job | None:
        needed = room_needed(self._settings, job, self._store.path(job.id) / "given")
        free = shutil.disk_usage(self._store.folder).free
        if free >= needed:
            return None
        remedy = f"make room: {needed / 1e6:.0f} MB are needed, and {free / 1e6:.0f} MB are free"
        return _failed(job, NO_ROOM, remedy)

    def _tried(self, job: Job, lock: int) -> Job:
        """The job after its program has ended."""
        folder = self._store.path(job.id)
        with (folder / "log.txt").open("ab") as said:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                pass_fds=[lock],
                env={**own_environment(), **_ONE_THREAD},
                start_new_session=True,
            )
            try:
                _hand(child.stdin, {"settings": self._settings, "folder": folder})
                problem = self._watched(job, child, folder)
            finally:
                child.kill()
                child.wait()
                with contextlib.suppress(OSError):
                    assert child.stdin is not None
                    child.stdin.close()
        if (outcome := self._store.outcome(job.id)) is not None:
            return _ended(job, outcome)
        if self._store.is_to_end(job.id):
            return _cancelled(job)
        if self._stopping.is_set():
            return job
        if problem:
            return _failed(job, problem, "make room and start it again")
        return _crashed(job, child.returncode)

    def _watched(self, job: Job, child: subprocess.Popen[bytes], folder: Path) -> str:
        """Wait for the end of a program, or for a reason to end it; why it must not be begun again."""
        begun = time.time()
        while not self._stopping.is_set() and not self._store.is_to_end(job.id):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_S)
                return ""
            if shutil.disk_usage(folder).free < self._settings.spool.free_gb * GIGABYTE:
                return NO_ROOM
            told = self._store.progress(job.id)
            if time.time() - max(begun, 0.0 if told is None else told.time) > SILENT_S:
                return ""
        return ""


def room_needed(settings: StationSettings, job: Job, given: Path) -> float:
    """Bytes that must be free before a job: those that stay free, and what it makes.

    What is taught is three times as large as the version that it comes from: it lies in the job's folder,
    once more with the trust in the cloud, and among the line's versions. A fit keeps less than its images.

    Args:
        settings: the station's.
        job: the job.
        given: the folder of pictures that came with it.
    """
    match job.work:
        case TeachJob(base=base):
            made = 3 * _bytes(VersionStore(settings.station.data / "lines" / job.line).path(base))
        case FitJob():
            made = 2 * _bytes(given)
        case CompareJob():
            made = 0
    return settings.spool.free_gb * GIGABYTE + _LEAST + made


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _hand(pipe: IO[bytes] | None, wish: dict[str, Any]) -> None:
    assert pipe is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already
        pipe.write(handed_json(wish) + b"\n")
        pipe.flush()


def _ended(job: Job, outcome: JobOutcome) -> Job:
    state = "failed" if outcome.problem else "done"
    return msgspec.structs.replace(job, state=state, ended=time.time(), outcome=outcome)


def _failed(job: Job, problem: str, remedy: str) -> Job:
    return _ended(job, JobOutcome(problem=problem, remedy=remedy))


def _cancelled(job: Job) -> Job:
    return msgspec.structs.replace(job, state="cancelled", ended=time.time())


def _crashed(job: Job, status: int) -> Job:
    """A job whose program has ended without a word: it is begun again, but not for ever."""
    job = msgspec.structs.replace(job, crashes=job.crashes + 1)
    if job.crashes < MOST_CRASHES:
        return job
    how = f"signal {-status}" if status < 0 else f"status {status}"
    remedy = "look at its log; signal 9 often means that the memory was not enough"
    return _failed(job, f"its program has ended {job.crashes} times without a word ({how})", remedy)
