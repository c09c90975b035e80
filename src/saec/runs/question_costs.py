"""What a run's questions to the cloud took: tokens and bytes, as means over the frames that it answered."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from saec.types import Spent, VerdictRecord


class SpentMeans(msgspec.Struct, frozen=True, kw_only=True):
    """Means per frame that the cloud has answered; words on defects aside.

    Attributes:
        frames: such frames whose record says what they took (logs before it did not).
        frame, references: visual tokens of the frame, and of the goods before it.
        text: tokens of the words; None where a service did not tell of some frame.
        bytes: over the link; 0 to a model in this process.
        shown: number of frames by what was shown of them, such as "whole 112, crop 224".
    """

    frames: int
    frame: float
    references: float
    text: float | None
    bytes: float
    shown: dict[str, int]

    def sentence(self) -> str:
        """The means in one line."""
        text = "unknown" if self.text is None else f"{self.text:.0f}"
        shown = "; ".join(f"{what}: {count}" for what, count in self.shown.items())
        return (
            f"a question to the cloud takes on average {self.frame:.0f} visual tokens for the frame, "
            f"{self.references:.0f} for references, {text} for text, and {self.bytes / 1e3:.1f} kB over "
            f"the link ({shown})"
        )


@dataclass
class SpentTally:
    """Adds up; verdicts on which the cloud was not asked, or whose record does not say, count for nothing."""

    records: int = 0
    frame: int = 0
    references: int = 0
    text: int | None = 0
    bytes: int = 0
    shown: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: VerdictRecord) -> None:
        if verdict.cloud is not None and verdict.cloud.spent is not None:
            self._add(verdict.cloud.spent)

    def _add(self, spent: Spent) -> None:
        self.records += 1
        self.frame += spent.frame
        self.references += spent.references
        self.text = None if self.text is None or spent.text is None else self.text + spent.text
        self.bytes += spent.bytes
        name = ", ".join(spent.shown)
        self.shown[name] = self.shown.get(name, 0) + 1

    def means(self) -> SpentMeans | None:
        """None where nothing was recorded."""
        n = self.records
        if not n:
            return None
        return SpentMeans(
            frames=n,
            frame=self.frame / n,
            references=self.references / n,
            text=None if self.text is None else self.text / n,
            bytes=self.bytes / n,
            shown=dict(sorted(self.shown.items())),
        )
