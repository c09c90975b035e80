"""Counts over the standing verdicts of a run, and the notes that a reader of them needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from saec.runs.question_costs import SpentTally
from saec.runs.verdict_log import read_all, read_verdicts
from saec.types import DEFECT, VerdictRecord


@dataclass
class StandingCounts:
    """Counts over the standing verdicts of a run, and what its questions took.

    Attributes:
        used: hashes of the images that made the line.
        counts: number of frames by what happened to them, as run.json keeps them.
        spent: sums over the questions to the cloud.
    """

    used: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=dict)
    spent: SpentTally = field(default_factory=SpentTally)

    @classmethod
    def of(cls, log: Path, used: frozenset[str], deadline: float | None) -> StandingCounts:
        """The counts of a log; ``late`` are frames whose first verdict came after the deadline."""
        standing = cls(used)
        for verdict in read_verdicts(log):
            standing.add(verdict)
        if deadline is not None:
            standing.counts["late"] = sum(
                not verdict.replaces and verdict.ms.get("answer", 0.0) > deadline * 1e3
                for verdict in read_all(log)
            )
        return standing

    def add(self, verdict: VerdictRecord) -> None:
        self.spent.add(verdict)
        cloud = verdict.route is not None and verdict.route.decision == "cloud"
        for name, happened in (
            ("frames", True),
            ("good", verdict.label is not None and verdict.label != DEFECT),
            ("defect", verdict.label == DEFECT),
            ("error", verdict.state == "error"),
            ("provisional", verdict.state == "provisional"),
            ("escalated", cloud),
            ("explained", verdict.explanation is not None),
            ("problems", verdict.state == "final" and verdict.error is not None),
            ("odd", bool(verdict.note)),
            ("labelled", verdict.truth is not None),
            ("correct", verdict.truth is not None and verdict.label == verdict.truth),
            ("used_for_the_line", verdict.sha256 in self.used),
        ):
            self.counts[name] = self.counts.get(name, 0) + happened

    def notes(self) -> list[str]:
        """What a reader of the results must know."""
        sentences = {
            "used_for_the_line": (
                "Frames that were also used to fit or calibrate the line, so results on them are too good"
            ),
            "error": "Frames without a label because of an error",
            "provisional": "Frames with the edge's provisional label, as the cloud did not answer in time",
            "late": "Frames whose first verdict came after the deadline",
            "odd": "Frames whose aspect ratio is not that of the line (each verdict says so)",
            "problems": "Verdicts without a picture or an explanation (each says why)",
        }
        total = self.counts.get("frames", 0)
        return [
            f"{text}: {self.counts[name]} of {total}."
            for name, text in sentences.items()
            if self.counts.get(name, 0)
        ]
