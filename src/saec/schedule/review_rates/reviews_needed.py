"""How many more reviews until a rate is known to within a stated distance, and of which frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from saec.errors import ConfigError
from saec.schedule.review_rates.quality_rates import QualityRates, RateInterval, SideSums, rates_of_sides
from saec.schedule.review_rates.side_shares import Sampled, side_share

Rate = Literal["defects_among_passed", "goods_among_rejected", "escape_rate", "overkill_rate"]
RATES: Sequence[Rate] = ("defects_among_passed", "goods_among_rejected", "escape_rate", "overkill_rate")

_SPLITS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
# Parts of the new reviews that are of passed frames.

_CLOSE = 1.03
# Two numbers of reviews as near as this are one plan.


class ReviewsNeeded(msgspec.Struct, frozen=True):
    """The fewest further reviews after which a rate is expected to be known to within a distance.

    Attributes:
        passed, rejected: reviews of frames drawn at random from either side.
        enough: whether they reach it; where not, they are all frames that there are.
    """

    passed: int
    rejected: int
    enough: bool


def reviews_needed(rates: QualityRates, rate: Rate, within: float) -> ReviewsNeeded:
    """A plan: it holds if the shares stay what they are estimated to be now.

    What people's errors and several drawing probabilities add to the interval now is taken to stay in
    proportion.

    Args:
        rates: what is known now.
        rate: which of them is to be known better.
        within: the distance between the estimate and either end of the interval, in (0, 1).

    Raises:
        ConfigError: ``within`` is no distance.
    """
    if not 0.0 < within < 1.0:
        raise ConfigError(f"a distance of {within:g} is none", "give one between 0 and 1, such as 0.02")
    now = four_rates(rates)[rate]
    if now.reach <= within:
        return ReviewsNeeded(0, 0, True)
    plan = _Plan(rates, RATES.index(rate))
    aim = within * min(1.0, plan.reach(0, 0) / now.reach) if now.value is not None else within
    best: tuple[int, int] | None = None
    for split in _SPLITS:
        found = plan.fewest(split, aim)
        if found is not None and (best is None or sum(found) * _CLOSE < sum(best)):
            best = found
    if best is None:
        return ReviewsNeeded(plan.left[0], plan.left[1], False)
    return ReviewsNeeded(*best, True)


def four_rates(rates: QualityRates) -> dict[Rate, RateInterval]:
    """The four shares by their names."""
    return {
        "defects_among_passed": rates.defects_among_passed,
        "goods_among_rejected": rates.goods_among_rejected,
        "escape_rate": rates.escape_rate,
        "overkill_rate": rates.overkill_rate,
    }


class _Plan:
    """The reach of a rate as a function of how many more frames are reviewed."""

    def __init__(self, rates: QualityRates, which: int) -> None:
        self._sides = (rates.passed, rates.rejected)
        self._shares = [
            _planned(one.value) for one in (rates.defects_among_passed, rates.goods_among_rejected)
        ]
        self._confidence, self._which = rates.confidence, which
        self.left = [side.population - side.reviewed - side.unsure - side.lost for side in self._sides]

    def fewest(self, split: float, aim: float) -> tuple[int, int] | None:
        """The fewest more reviews, so split, with which the reach is at most ``aim``; None where none do."""
        low, high = 0, sum(self.left)
        if self.reach(*self._parts(high, split)) > aim:
            return None
        while high - low > max(1, high // 50):
            middle = (low + high) // 2
            low, high = (low, middle) if self.reach(*self._parts(middle, split)) <= aim else (middle, high)
        return self._parts(high, split)

    def reach(self, passed: int, rejected: int) -> float:
        """How far the farther end will be from the estimate."""
        rng = np.random.default_rng(0)
        sides = [
            side_share([_sampled(side, share, more)], rng)
            for side, share, more in zip(self._sides, self._shares, (passed, rejected), strict=True)
        ]
        value, low, high = rates_of_sides(sides[0], sides[1], self._confidence)[self._which]
        return RateInterval(value, low, high, low, high).reach

    def _parts(self, reviews: int, split: float) -> tuple[int, int]:
        return min(round(reviews * split), self.left[0]), min(round(reviews * (1 - split)), self.left[1])


def _planned(value: float | None) -> float:
    return 0.0 if value is None else value


def _sampled(side: SideSums, share: float, more: int) -> Sampled:
    reviewed = side.reviewed + more
    return Sampled(side.population, reviewed, np.array([round(share * reviewed)], dtype=np.int64))
