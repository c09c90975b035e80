"""The edge of a line without a detector: it looks at nothing, and what it says is in no verdict."""

from __future__ import annotations

from saec.types import GOOD, EdgeOpinion, Image


class NoDetector:
    """An ``EdgeDetector`` in form alone, where the cloud judges every frame."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        """A place for each image; ``saec.frame.verdicts.Rules.blind`` keeps it out of the verdict."""
        return [EdgeOpinion(score=0.0, label=GOOD, p_defect=None) for _ in images]
