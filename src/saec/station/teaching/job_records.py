"""A job beside the line, as types: a line is taught, fitted, or two of its versions are compared."""

from __future__ import annotations

from typing import Literal

import msgspec

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]


class ChosenFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewed frame that is to be taught, with the label that a person has seen when it was chosen.

    Attributes:
        seq: the frame's number.
        sha256: hash of its picture's file.
        label: GOOD or DEFECT.
        kind: the kind of the defect, "" when unknown.
    """

    seq: int
    sha256: str
    label: int
    kind: str = ""


class TeachJob(msgspec.Struct, frozen=True, kw_only=True, tag="teach"):
    """Teach a version of the line, add what comes of it as a candidate, and compare both.

    Attributes:
        base: the version that is taught.
        recipe: the recipe that the frames were judged by; None for a line without recipes.
        frames: what it is taught.
        cloud: ask the line's cloud about the labelled frames, so that the candidate may trust it.
    """

    base: int
    recipe: int | None = None
    frames: tuple[ChosenFrame, ...]
    cloud: bool = False


class CompareJob(msgspec.Struct, frozen=True, kw_only=True, tag="compare"):
    """Compare a version of the line with the one that judges.

    Attributes:
        version: the version.
        base: the one that judges.
        recipe: the recipe that the frames were judged by; None for a line without recipes.
    """

    version: int
    base: int
    recipe: int | None = None


class FitJob(msgspec.Struct, frozen=True, kw_only=True, tag="fit"):
    """Fit the line's first version on good images, which lie in the folder ``given`` of the job.

    Attributes:
        overkill_rate: the share of good images that the line may reject; None is the default of a fit.
    """

    overkill_rate: float | None = None


Work = TeachJob | CompareJob | FitJob


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the program of a job says of its end; ``problem`` is "" where it did what was asked.

    Attributes:
        version: the candidate's number, or that of the version that was compared.
        notes: what there is to say, in English.
        compared: a comparison was made.
        memory_mb: memory that it took at most, in MB.
    """

    version: int | None = None
    notes: tuple[str, ...] = ()
    compared: bool = False
    memory_mb: float = 0.0
    problem: str = ""
    remedy: str = ""


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is.

    Attributes:
        step: what it does now, such as "teach".
        done, of: how many of how many; 0 where that is not known.
        time: when this was said, seconds since the epoch.
    """

    step: str
    done: int = 0
    of: int = 0
    time: float = 0.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """``job.json``.

    Attributes:
        id: name of its folder; sorted, these names stand in the order in which jobs were asked for.
        actor, role, reason: who asked for it and why, as in the record of actions.
        created, begun, ended: seconds since the epoch; None where it has not come to that.
        starts: how often its program was begun.
        crashes: how often its program has ended without a word.
        damaged: its file cannot be read: all but the id is unknown.
    """

    id: str
    line: str
    work: Work
    actor: str
    role: str
    reason: str = ""
    created: float
    state: JobState = "waiting"
    begun: float | None = None
    ended: float | None = None
    starts: int = 0
    crashes: int = 0
    outcome: JobOutcome = JobOutcome()
    damaged: bool = False

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in ("waiting", "running")
