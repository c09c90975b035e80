"""The labels that a line can be taught, and why the others are not among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from saec.errors import LineError
from saec.station.line.version_store import VersionStore
from saec.station.review.review_records import ReviewedFrame
from saec.station.review.review_store import ReviewStore
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.spool_reader import SpoolReader
from saec.station.teaching.job_records import ChosenFrame, TeachJob
from saec.station.teaching.line_base import FrameRecipes, KnownPictures, LineBase, known_pictures, line_base
from saec.types import DEFECT, GOOD

LeftOut = Literal["taught", "unsure", "disputed", "gone", "held-out", "recipe"]
"""Why a label is not taught: the version knows it; nobody is sure; people disagree, or somebody did; its
picture is gone; it was held out when the line was fitted; it is of another recipe."""


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """The labels of a line of use "teach".

    Attributes:
        base: what is taught.
        offered: the labels that it can be taught, newest first.
        left_out: how many others there are, by why.
    """

    line: str
    base: LineBase
    offered: list[ReviewedFrame] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    @property
    def goods(self) -> int:
        return sum(one.settled == GOOD for one in self.offered)

    @property
    def defects(self) -> dict[str, int]:
        """How many defects of each kind; "" where it is unknown."""
        kinds = Counter(one.kind for one in self.offered if one.settled == DEFECT)
        return dict(sorted(kinds.items()))

    def work(self, excluded: Collection[int] = (), *, cloud: bool = False) -> TeachJob:
        """The job that teaches them.

        Args:
            excluded: numbers of frames that are not to be taught.
            cloud: ask the line's cloud about the labelled frames.

        Raises:
            LineError: nothing is left.
        """
        chosen = [one for one in self.offered if one.frame.seq not in excluded]
        if not chosen:
            raise LineError(f"there is no label to teach the line {self.line}", "review more frames first")
        recipe = self.base.recipe
        return TeachJob(
            base=self.base.number,
            recipe=None if recipe is None else recipe.number,
            frames=tuple(map(_chosen, sorted(chosen, key=lambda one: one.frame.seq))),
            cloud=cloud,
        )


def label_choice(
    settings: StationSettings, reviews: ReviewStore, reader: SpoolReader, line: str
) -> LabelChoice:
    """The labels of a line that can be taught now.

    Raises:
        LineError: the line has no version, or has recipes and none is in force.
        DataError: its version has no manifest, so that it cannot be taught.
    """
    data = settings.station.data
    base = line_base(data, line)
    known = known_pictures(VersionStore(data / "lines" / line).path(base.number))
    recipes = FrameRecipes(reader, None if base.recipe is None else base.recipe.number)
    choice = LabelChoice(line, base)
    for one in reviews.reviewed(line, use="teach"):
        why = _left_out(one, known, recipes)
        if why is None:
            choice.offered.append(one)
        else:
            choice.left_out[why] += 1
    choice.offered.reverse()
    return choice


def is_disputed(one: ReviewedFrame) -> bool:
    """Whether somebody's answer that stands is the other label than that of the others."""
    answers = {label.answer.label for label in one.labels} - {None}
    return len(answers) > 1


def _left_out(one: ReviewedFrame, known: KnownPictures, recipes: FrameRecipes) -> LeftOut | None:
    if is_disputed(one):
        return "disputed"
    if one.settled is None:
        return "unsure"
    if one.frame.sha256 in known.taught:
        return "taught"
    if one.frame.sha256 in known.held_out:
        return "held-out"
    if not one.frame.image:
        return "gone"
    return None if recipes.has(one.frame.seq) else "recipe"


def _chosen(one: ReviewedFrame) -> ChosenFrame:
    assert one.settled is not None
    return ChosenFrame(seq=one.frame.seq, sha256=one.frame.sha256, label=one.settled, kind=one.kind)
