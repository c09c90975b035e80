"""What is kept of a challenge: golden parts judged by a line, as types."""

from __future__ import annotations

from typing import Literal

import msgspec

RunState = Literal["running", "passed", "failed", "interrupted"]
"""Interrupted: it could not be carried through, so it says nothing good of the line."""

ChallengeWay = Literal["pictures", "camera"]
"""What is judged: the pictures that were pinned, or what the camera takes of the parts now."""

GoldenOutcome = Literal["right", "missed", "false-reject", "no-label", "late", "no-cloud", "absent"]
"""Missed: a defect that was judged good. False reject: a good that was judged a defect. No label: its verdict
is an error. Late: it had no verdict by the deadline. No cloud: the cloud was asked and did not answer in
time. Absent: it was not judged."""

STOPPED_REASON = "stopped-error"
"""Reason of the error verdict on a frame of a line that is stopped."""

Interval = tuple[float, float]


class GoldenVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of one golden part.

    Attributes:
        part: its name in the set.
        label: what it is, GOOD or DEFECT.
        kind: kind of the defect, "" when unknown.
        frame: id of the frame that was judged, "" without one.
        said: the label of the verdict that the line would have acted on; None without one.
        score: the edge's; None without one.
        by: who decided.
        reason: the verdict's.
    """

    part: str
    label: int
    outcome: GoldenOutcome
    kind: str = ""
    frame: str = ""
    said: int | None = None
    score: float | None = None
    by: str = ""
    reason: str = ""


class ConditionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the pictures, or their scores, differ from those that were pinned.

    Attributes:
        name: "brightness", "sharpness", "position", "likeness" or "score".
        difference: mean over the parts; for brightness, sharpness and scores the logarithm of the ratio, for
            position a share of the longer side, for likeness what is lacking of a correlation of 1.
        tolerance: how much is allowed; it follows from the spread of the goods.
        worst: name of the part that differs most.
        worst_difference, worst_tolerance: likewise for that part alone.
        ok: both are within their tolerances.
    """

    name: str
    difference: float
    tolerance: float
    worst: str
    worst_difference: float
    worst_tolerance: float
    ok: bool


class ChallengeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a line's golden parts.

    Attributes:
        n: number of the run at its station; it rises. 0 before it is kept.
        why: what asked for it, such as "asked", "schedule", "promotion" or "plc".
        who: who asked, as in ``Action``; "station" for the schedule.
        begun, ended: seconds since the epoch; ``ended`` is None while it runs.
        version, recipe: what judged, "" and None where nothing did.
        parts: the golden parts in the order in which they were judged.
        conditions: how the pictures were, against those that were pinned.
        missed, defects: defects judged good, and defects that have a label.
        false_rejects, goods: goods judged defects, and goods that have a label.
        escape, overkill: the exact intervals of both rates; None without a part.
        reasons: why it did not pass, one sentence each.
        stop: the line judges nothing until a later run passes or somebody overrides this one.
        last: number of the run's last frame; 0 without one.
    """

    line: str
    way: ChallengeWay
    why: str
    who: str
    begun: float
    n: int = 0
    ended: float | None = None
    state: RunState = "running"
    version: str = ""
    recipe: int | None = None
    parts: tuple[GoldenVerdict, ...] = ()
    conditions: tuple[ConditionCheck, ...] = ()
    missed: int = 0
    defects: int = 0
    false_rejects: int = 0
    goods: int = 0
    escape: Interval | None = None
    overkill: Interval | None = None
    reasons: tuple[str, ...] = ()
    stop: bool = False
    last: int = 0

    @property
    def id(self) -> str:
        """Names the run for good, as "leather/challenge/7"."""
        return f"{self.line}/challenge/{self.n}"

    def sentence(self) -> str:
        """The result in words."""
        counts = (
            f"{self.missed} of {self.defects} defects missed, "
            f"{self.false_rejects} of {self.goods} goods rejected"
        )
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"challenge {self.n} of {self.line} {self.state}, {counts}{why}"
