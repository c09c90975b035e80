"""The files of evidence that people have the page make: one at a time, few kept, none for long."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from saec.decoding import decode
from saec.errors import SaecError
from saec.station.page.words.languages import msgid

KEPT = 5
"""Files that are kept; the oldest goes first."""

KEPT_S = 86_400.0
"""Seconds for which one is kept."""

LARGEST = 2_000_000_000
"""Bytes of a file; a longer span is exported on the command line."""

_LOOK_S = 0.5
EVIDENCE = [sys.executable, "-P", "-m", "saec.station.page.evidence.evidence_program"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EvidenceJob:
    """A file of evidence.

    Attributes:
        id: its name in addresses; nobody can guess it.
        name: what a browser calls the file.
        actor: who asked for it, as shown.
        begun: seconds since the epoch.
        state: "running"; "done"; "failed", for ``problem`` and ``remedy``.
        size: bytes of the file so far.
        frames: how many frames it holds.
        differing: how many of them are judged otherwise now.
    """

    id: str
    name: str
    actor: str
    begun: float
    state: Literal["running", "done", "failed"] = "running"
    size: int = 0
    frames: int = 0
    differing: int = 0
    problem: str = ""
    remedy: str = ""


class EvidenceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the program says of its end; ``problem`` and ``remedy`` are "" where the file is made."""

    frames: int = 0
    differing: int = 0
    problem: str = ""
    remedy: str = ""


class EvidenceJobs:
    """The files of a page's process; safe to use from several threads.

    What an earlier process has left is deleted.

    Args:
        folder: where they lie; made for this account alone.
        free: bytes that stay free on its disk.
        clock: seconds since the epoch.
        command: what makes a file; it reads a wish and prints an outcome.
    """

    def __init__(
        self,
        folder: Path,
        free: float,
        clock: Callable[[], float] = time.time,
        command: Sequence[str] = EVIDENCE,
    ) -> None:
        self._folder, self._free, self._clock, self._command = folder, free, clock, command
        self._lock = threading.Lock()
        self._jobs: tuple[EvidenceJob, ...] = ()
        self._thread: threading.Thread | None = None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def all(self) -> tuple[EvidenceJob, ...]:
        """All that there are, newest first; the same object while nothing is new."""
        self._tidy()
        return self._jobs

    def path(self, id: str) -> Path:
        """Where the file of a job lies."""
        return self._folder / f"{id}.zip"

    def start(self, name: str, actor: str, wish: Callable[[Path], bytes]) -> EvidenceJob:
        """Begin to make a file.

        Args:
            name: what a browser calls it.
            actor: who asks for it.
            wish: the program's input, made from the path of the file.

        Raises:
            SaecError: another one is being made.
        """
        with self._lock:
            if any(job.state == "running" for job in self._jobs):
                raise SaecError(
                    msgid("Another file of evidence is being made"), msgid("Wait until it is done")
                )
            job = EvidenceJob(secrets.token_hex(16), name, actor, self._clock())
            self._jobs = (job, *self._jobs)
        asked = wish(self.path(job.id)) + b"\n"
        self._thread = threading.Thread(
            target=self._run, args=(job, asked), name="saec-evidence", daemon=True
        )
        self._thread.start()
        return job

    def wait(self) -> None:
        """Wait until the file that is being made is done."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, job: EvidenceJob, asked: bytes) -> None:
        try:
            ended = self._made(job, asked)
        except Exception as e:
            log.error("evidence not made", error=repr(e))
            ended = replace(job, state="failed", problem=repr(e))
        if ended.state == "failed":
            for left in self._folder.glob(f"{job.id}.*"):
                left.unlink(missing_ok=True)
        self._put(ended)
        self._tidy()

    def _made(self, job: EvidenceJob, asked: bytes) -> EvidenceJob:
        child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(asked)
            child.stdin.flush()
            while not _has_ended(child):
                size = self._size(job)
                if problem := self._too_much(size):
                    remedy = msgid("Choose a shorter span, or run `saec audit export` on the machine")
                    return replace(job, state="failed", problem=problem, remedy=remedy)
                self._put(replace(job, size=size))
            said = child.stdout.read()
        finally:
            child.kill()
            child.wait()
            with contextlib.suppress(OSError):
                child.stdin.close()
            child.stdout.close()
        if not said:
            return replace(job, state="failed", problem=msgid("The program that makes it has ended"))
        outcome = decode(said, EvidenceOutcome)
        return replace(
            job,
            state="failed" if outcome.problem else "done",
            size=self._size(job),
            frames=outcome.frames,
            differing=outcome.differing,
            problem=outcome.problem,
            remedy=outcome.remedy,
        )

    def _size(self, job: EvidenceJob) -> int:
        """Bytes of a job's file, be it partial or whole."""
        size = 0
        for path in self._folder.glob(f"{job.id}.*"):
            with contextlib.suppress(FileNotFoundError):  # renamed meanwhile: it is whole
                size += path.stat().st_size
        return size

    def _too_much(self, size: int) -> str:
        if size > LARGEST:
            return msgid("The file grows too large")
        if shutil.disk_usage(self._folder).free < self._free:
            return msgid("The disk has no room for it")
        return ""

    def _put(self, job: EvidenceJob) -> None:
        with self._lock:
            self._jobs = tuple(job if one.id == job.id else one for one in self._jobs)

    def _tidy(self) -> None:
        """Delete what is too old or too much."""
        with self._lock:
            oldest = self._clock() - KEPT_S
            kept = tuple(
                job
                for at, job in enumerate(self._jobs)
                if job.state == "running" or (at < KEPT and job.begun > oldest)
            )
            if len(kept) == len(self._jobs):
                return
            gone = {job.id for job in self._jobs} - {job.id for job in kept}
            self._jobs = kept
        for id in gone:
            self.path(id).unlink(missing_ok=True)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return False
    return True
