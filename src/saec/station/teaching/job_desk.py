"""What the program of a job works with: its folder, how far it is, and the station's versions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from saec.errors import LineError
from saec.profile import write_json
from saec.station.line.version_store import VersionStore
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.teaching.job_records import Job, JobProgress

_APART_S = 0.5
"""Seconds between two words of how far a job is."""


@dataclass(slots=True)
class JobDesk:
    """One job, for the program that does it.

    Attributes:
        settings: the station's.
        job: the job.
        folder: its folder.
        notes: sentences of the outcome so far.
    """

    settings: StationSettings
    job: Job
    folder: Path
    notes: list[str] = field(default_factory=list)
    _step: str = ""
    _told: float = 0.0

    @property
    def data(self) -> Path:
        return self.settings.station.data

    @property
    def work(self) -> Path:
        """Where the job makes what it makes; each thing in it takes its place as a whole."""
        return self.folder / "work"

    @property
    def versions(self) -> VersionStore:
        return VersionStore(self.data / "lines" / self.job.line)

    @property
    def line(self) -> LineSettings:
        """The line's section of the settings.

        Raises:
            LineError: there is none any more.
        """
        found = next((one for one in self.settings.line if one.name == self.job.line), None)
        if found is None:
            raise LineError(f"the settings have no product line {self.job.line}", "add its [[line]] again")
        return found

    @property
    def created(self) -> str:
        """When the job was asked for, ISO: a job that is begun again makes the same version."""
        return datetime.fromtimestamp(self.job.created, UTC).isoformat(timespec="seconds")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Around a step of the job: it stands in the log, and as what is done now."""
        self._step, self._told = name, 0.0
        self.say(name)
        self.progress(name, 0, 0)
        yield

    def progress(self, _what: str, done: int, of: int) -> None:
        """How far the step is; said at most twice a second."""
        now = time.time()
        if now - self._told < _APART_S and done != of:
            return
        self._told = now
        write_json(self.folder / "progress.json", JobProgress(step=self._step, done=done, of=of, time=now))

    def say(self, sentence: str) -> None:
        """Write a line into the job's log."""
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}", flush=True)

    def note(self, sentence: str) -> None:
        """A sentence of the outcome; it stands in the log, too."""
        self.notes.append(sentence)
        self.say(sentence)
