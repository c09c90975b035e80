"""The random samples of a line as plain numbers, from the review's store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from saec.schedule.review_rates.stratum_sample import Side, StratumSample
from saec.station.review.random_draw import stratum_of
from saec.station.review.review_records import OfferedCount, ReviewedFrame
from saec.types import DEFECT

HOUR = 3600.0
_DAY_HOURS = 24
"""Seconds for which the numbers of frames are kept together."""


_Key = tuple[Side, float, int]


def whole_hours(since: float, until: float) -> tuple[float, float]:
    """The whole hours that a window touches: populations are known by hour."""
    return since // HOUR * HOUR, -(-until // HOUR) * HOUR


def review_samples(offered: Iterable[OfferedCount], reviewed: Iterable[ReviewedFrame]) -> list[StratumSample]:
    """A sample for each side, drawing probability and day of UTC: the queue shows the days in turn.

    Args:
        offered: how many frames there were in the window, and how many were drawn.
        reviewed: frames of the window with answers; those that were not drawn at random are left out.
    """
    sums: dict[_Key, Counter[str]] = {}
    for count in offered:
        one = sums.setdefault((count.stratum, count.probability, count.hour // _DAY_HOURS), Counter())
        one.update(population=count.frames, drawn=count.drawn, lost=count.lost)
    readings: dict[_Key, Counter[tuple[int, int]]] = {key: Counter() for key in sums}
    for frame in reviewed:
        probability = frame.frame.probability
        if probability is not None:
            day = int(frame.frame.accepted // HOUR) // _DAY_HOURS
            key = (stratum_of(frame.frame.label), probability, day)
            readings.setdefault(key, Counter())[answers_of(frame)] += 1
    return [_sample(key, sums.get(key, Counter()), seen) for key, seen in sorted(readings.items())]


def answers_of(frame: ReviewedFrame) -> tuple[int, int]:
    """How many people were sure of a frame, and how many of these said defect."""
    said = [label.answer.label for label in frame.labels if label.answer.label is not None]
    return len(said), sum(label == DEFECT for label in said)


def reader_samples(reviewed: Sequence[ReviewedFrame]) -> list[StratumSample]:
    """What frames say of the readers alone, also those whose population is not known any more."""
    return [
        StratumSample(
            side=one.side,
            probability=one.probability,
            population=one.reviewed,
            drawn=one.reviewed,
            readings=one.readings,
        )
        for one in review_samples([], reviewed)
    ]


def _sample(key: _Key, sums: Counter[str], seen: Counter[tuple[int, int]]) -> StratumSample:
    unsure = seen.pop((0, 0), 0)
    known = seen.total() + unsure + sums["lost"]
    drawn = max(sums["drawn"], known)  # counts and answers are read one after the other
    return StratumSample(
        side=key[0],
        probability=key[1],
        day=key[2],
        population=max(sums["population"], drawn),
        drawn=drawn,
        readings=dict(seen),
        unsure=unsure,
        lost=sums["lost"],
    )
