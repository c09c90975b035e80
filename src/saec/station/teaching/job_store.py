"""Jobs of a station on its disk: written by the page and by the command line, and there after a restart.

DATA/teaching/
    lock                held by whoever runs a job, and by its program: one job at a time
    jobs/ID/job.json    what is asked and what became of it; written as a whole
            given/      pictures that came with it
            log.txt     what its program said
            progress.json, outcome.json
            cancel      is there where somebody wants it to end
            work/       what the program has made so far; goes when the job has ended
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from saec.errors import SaecError
from saec.profile import write_json
from saec.station.storage.database.schema import alone_in, sync_folder
from saec.station.teaching.job_records import FitJob, Job, JobOutcome, JobProgress, Work
from saec.texts import read_json

MOST_OPEN = 10
"""Jobs that wait or run, at most."""

KEPT = 30
"""Ended jobs that are listed; older ones are deleted with their folders."""

KEPT_S = 90 * 86_400.0
"""Seconds for which an ended job is listed."""

LOG_SHOWN = 20_000
"""Bytes of the end of a log that are shown."""

_ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{6}")
_BORN_S = 86_400.0

T = TypeVar("T")


class JobError(SaecError):
    """A job cannot be added, found or ended."""


@contextmanager
def job_lock(path: Path) -> Iterator[int | None]:
    """The lock of whoever runs a job: the number of an opened file, for its program; None if another has it.

    Args:
        path: the lock's file; made where there is none.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield handle
    finally:
        os.close(handle)


class JobStore:
    """The jobs of a station; for several threads and programs.

    Args:
        data: the station's data folder.
        clock: seconds since the epoch.
    """

    def __init__(self, data: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = data / "teaching" / "jobs"
        self.lock = data / "teaching" / "lock"
        self._clock = clock

    def path(self, id: str) -> Path:
        """The folder of a job.

        Raises:
            JobError: this is no job's id.
        """
        if not _ID.fullmatch(id):
            raise JobError(f"there is no job {id[:40]!r}", "choose one from the list")
        return self.folder / id

    def add(
        self,
        line: str,
        work: Work,
        actor: str,
        role: str,
        reason: str = "",
        given: Callable[[Path], None] | None = None,
    ) -> Job:
        """Ask for a job; it is begun when those before it have ended.

        Args:
            line: the line.
            work: what is to be done.
            actor, role, reason: who asks for it and why.
            given: fills a folder with the pictures that come with it.

        Raises:
            JobError: too many wait, or one of this line does.
            OSError: the disk has no room for it.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone_in(self.folder):
            self.check_room(line)
            now = self._clock()
            stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
            id = f"{stamp}-{int(now % 1 * 1e6):06d}-{secrets.token_hex(3)}"
            job = Job(id=id, line=line, work=work, actor=actor, role=role, reason=reason, created=now)
            partial = self.folder / f".{id}.partial"
            try:
                partial.mkdir(mode=0o700)
                if given is not None:
                    (partial / "given").mkdir()
                    given(partial / "given")
                write_json(partial / "job.json", job)
                partial.rename(self.folder / id)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            sync_folder(self.folder)
        return job

    def check_room(self, line: str) -> None:
        """Whether a job of a line can be added.

        Raises:
            JobError: too many wait, or one of this line does.
        """
        waiting = [job for job in self.all() if job.open]
        if any(job.line == line for job in waiting):
            raise JobError(f"a job of the line {line} waits or runs", "wait until it has ended, or cancel it")
        if len(waiting) >= MOST_OPEN:
            raise JobError(f"{len(waiting)} jobs wait", "wait until they have ended")

    def all(self) -> list[Job]:
        """All jobs, newest first."""
        if not self.folder.is_dir():
            return []
        ids = sorted((path.name for path in self.folder.iterdir() if _ID.fullmatch(path.name)), reverse=True)
        found = (self._read(id) for id in ids)
        return [job for job in found if job is not None]

    def find(self, id: str) -> Job:
        """The job of an id.

        Raises:
            JobError: there is none.
        """
        self.path(id)
        job = self._read(id)
        if job is None:
            raise JobError(f"there is no job {id}", "choose one from the list")
        return job

    def next(self) -> Job | None:
        """The job that is to be done now: one that was begun, else the oldest; None where all have ended."""
        waiting = [job for job in reversed(self.all()) if job.open]
        begun = [job for job in waiting if job.state == "running"]
        return next(iter([*begun, *waiting]), None)

    def write(self, job: Job) -> None:
        """Make this what is known of a job.

        Raises:
            OSError: the disk has no room for it, or the job's folder is gone.
        """
        write_json(self.path(job.id) / "job.json", job)
        sync_folder(self.path(job.id))

    def ask_end(self, id: str) -> None:
        """Have a job end as soon as it can; one that has ended stays what it is.

        Raises:
            JobError: there is no such job.
        """
        if self.find(id).open:
            (self.path(id) / "cancel").touch(mode=0o600)

    def is_to_end(self, id: str) -> bool:
        """Whether somebody wants a job to end."""
        return (self.path(id) / "cancel").exists()

    def progress(self, id: str) -> JobProgress | None:
        """How far a job is; None before its program has said anything."""
        return _said(self.path(id) / "progress.json", JobProgress)

    def outcome(self, id: str) -> JobOutcome | None:
        """What the program of a job has said of its end; None where it has not come to that."""
        return _said(self.path(id) / "outcome.json", JobOutcome)

    def log(self, id: str) -> str:
        """The end of what the program of a job has said."""
        try:
            with (self.path(id) / "log.txt").open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - LOG_SHOWN))
                return file.read(LOG_SHOWN).decode("utf-8", "replace")
        except OSError:
            return ""

    def tidy(self) -> None:
        """Delete what ended jobs were made of, the oldest of them, and what was never made whole."""
        ended = [job for job in self.all() if not job.open]
        oldest = self._clock() - KEPT_S
        for at, job in enumerate(ended):
            folder = self.path(job.id)
            if at >= KEPT or (job.ended or job.created) < oldest:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                for name in ("work", "given"):
                    shutil.rmtree(folder / name, ignore_errors=True)
        for left in self.folder.glob(".*.partial"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < self._clock() - _BORN_S:
                    shutil.rmtree(left, ignore_errors=True)

    def _read(self, id: str) -> Job | None:
        path = self.folder / id / "job.json"
        try:
            return read_json(path, Job, error=JobError, remedy="", missing=JobError("", ""))
        except (SaecError, OSError) as e:
            if not path.parent.is_dir():
                return None
            return _damaged(id, path.parent, e)


def _said(path: Path, kind: type[T]) -> T | None:
    """What a program has written; None where there is nothing that can be read."""
    try:
        return read_json(path, kind, error=JobError, remedy="", missing=JobError("", ""))
    except (SaecError, OSError):
        return None


def _damaged(id: str, folder: Path, error: Exception) -> Job:
    """What stands for a job whose file cannot be read: it has failed, and changes nothing."""
    try:
        created = folder.stat().st_mtime
    except OSError:
        created = 0.0
    what = error.what if isinstance(error, SaecError) and error.what else "its file is missing"
    outcome = JobOutcome(problem=f"the file of this job is damaged: {what}", remedy="start it again")
    return Job(
        id=id,
        line="",
        work=FitJob(),
        actor="",
        role="",
        created=created,
        state="failed",
        ended=created,
        outcome=outcome,
        damaged=True,
    )
