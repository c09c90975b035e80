"""What people found in a random sample, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from saec.errors import DataError

Side = Literal["passed", "rejected"]
"""Frames that the line judged good, or those that it judged defects."""


class StratumSample(msgspec.Struct, frozen=True, kw_only=True):
    """A random sample of the frames of one side that were drawn with one probability on one day.

    Attributes:
        side: what the line judged these frames to be.
        probability: chance with which each frame was drawn, 0 to 1.
        population: how many frames there were.
        drawn: how many of them were drawn.
        readings: how many frames have so many answers, and so many of these that say defect, by (answers,
            defects). "Not sure" is no answer.
        unsure: drawn frames that people saw, and nobody was sure of.
        lost: drawn frames whose picture was gone before anybody saw it.
        day: the day, by any count. People see the frames of one day in random order, and the days in turn.
    """

    side: Side
    probability: float
    population: int
    drawn: int
    readings: Mapping[tuple[int, int], int]
    unsure: int = 0
    lost: int = 0
    day: int = 0

    @property
    def reviewed(self) -> int:
        """Frames with an answer."""
        return sum(self.readings.values())

    @property
    def missing(self) -> int:
        """Drawn frames of which nobody will know more."""
        return self.unsure + self.lost

    @property
    def waiting(self) -> int:
        """Drawn frames that nobody has seen yet."""
        return self.drawn - self.reviewed - self.missing


def pooled_samples(samples: Sequence[StratumSample]) -> list[StratumSample]:
    """Samples within which each frame had the same chance of being answered, by side and probability.

    Frames that were drawn with one probability are one simple random sample, whichever hour, version or
    shift they came from, as long as none of them waits. Of days of which some still wait, more frames of one
    day may be answered than of another. So each of these is a sample of its own: the weighting classes of
    surveys with missing answers (Little 1986).

    Raises:
        DataError: a sample that cannot be: more drawn than there are, or more answered than drawn.
    """
    days: dict[tuple[Side, float, int], StratumSample] = {}
    for one in samples:
        _check(one)
        _join(days, (one.side, one.probability, one.day), one)
    classes: dict[tuple[Side, float, int], StratumSample] = {}
    for (side, probability, day), one in sorted(days.items()):
        _join(classes, (side, probability, day if one.waiting else _ANSWERED), one)
    return [classes[key] for key in sorted(classes)]


_ANSWERED = -1
# The day of samples of which nothing waits.


def _join(
    sums: dict[tuple[Side, float, int], StratumSample], key: tuple[Side, float, int], one: StratumSample
) -> None:
    sums[key] = _joined(sums[key], one) if key in sums else one


def _joined(a: StratumSample, b: StratumSample) -> StratumSample:
    patterns = sorted({*a.readings, *b.readings})
    return StratumSample(
        side=a.side,
        probability=a.probability,
        population=a.population + b.population,
        drawn=a.drawn + b.drawn,
        readings={at: a.readings.get(at, 0) + b.readings.get(at, 0) for at in patterns},
        unsure=a.unsure + b.unsure,
        lost=a.lost + b.lost,
    )


def _check(one: StratumSample) -> None:
    wrong = one.drawn > one.population or one.waiting < 0 or min(one.unsure, one.lost) < 0
    if wrong or any(not 0 <= defects <= answers or answers < 1 for answers, defects in one.readings):
        raise DataError(
            f"a sample of {one.side} frames with {one.population} frames, {one.drawn} drawn, {one.reviewed} "
            f"answered and {one.missing} missing cannot be",
            "count each drawn frame once: answered, not sure, lost or waiting",
        )
