"""The reviewed frames that prove: drawn at random, settled, and unknown to the versions that are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from saec.station.maintenance.version_comparisons import Unproven
from saec.station.review.review_records import OfferedCount, ReviewedFrame, ReviewFrame, Stratum
from saec.station.review.review_store import ReviewStore
from saec.station.teaching.line_base import FrameRecipes, KnownPictures
from saec.types import GOOD

MOST_FRAMES = 3000
"""The newest frames that are compared; older ones are left out."""

_Cell = tuple[str, Stratum]


@dataclass(frozen=True, slots=True)
class ProvingFrame:
    """A frame with what people say of it.

    Attributes:
        reviewed: the frame and its answers.
        truth: what they agree on, GOOD or DEFECT.
        weight: the number of the line's frames that it stands for.
    """

    reviewed: ReviewedFrame
    truth: int
    weight: float


def proving_frames(
    reviews: ReviewStore, line: str, known: Sequence[KnownPictures], recipes: FrameRecipes
) -> tuple[list[ProvingFrame], Counter[Unproven]]:
    """The frames by which versions are compared, and how many others there are, by why.

    Args:
        reviews: the station's.
        line: the line.
        known: what each version knows.
        recipes: says which frames are of the recipe.
    """
    left_out: Counter[Unproven] = Counter()
    found: list[ReviewedFrame] = []
    for one in reviews.reviewed(line, use="prove"):
        why = _unproven(one, known, recipes)
        if why is None:
            found.append(one)
        else:
            left_out[why] += 1
    if len(found) > MOST_FRAMES:
        left_out["old"] = len(found) - MOST_FRAMES
        found = found[-MOST_FRAMES:]
    weights = sample_weights([one.frame for one in found], reviews.offered(line))
    return [
        ProvingFrame(one, one.settled, weight)
        for one, weight in zip(found, weights, strict=True)
        if one.settled is not None
    ], left_out


def sample_weights(frames: Sequence[ReviewFrame], offered: Sequence[OfferedCount]) -> list[float]:
    """For how many verdicts each reviewed frame stands: those of its version and stratum, over the reviewed.

    The reviewed ones of a stratum are as good as drawn from it, for people answer in an order that knows
    nothing of the frames. Where no count is kept, it is 1 / the chance of its drawing.
    """
    population: Counter[_Cell] = Counter()
    for count in offered:
        population[count.version, count.stratum] += count.frames
    reviewed = Counter(map(_cell, frames))
    return [
        max(1.0, population[_cell(frame)] / reviewed[_cell(frame)])
        if population[_cell(frame)]
        else 1.0 / (frame.probability or 1.0)
        for frame in frames
    ]


def _cell(frame: ReviewFrame) -> _Cell:
    return frame.version, "passed" if frame.label == GOOD else "rejected"


def _unproven(one: ReviewedFrame, known: Sequence[KnownPictures], recipes: FrameRecipes) -> Unproven | None:
    if one.settled is None:
        return "unsure"
    if any(one.frame.sha256 in each.taught for each in known):
        return "taught"
    if not one.frame.image:
        return "gone"
    return None if recipes.has(one.frame.seq) else "recipe"
