"""How well a line judges: four shares with intervals, from random samples of what it passed and rejected.

Of N_p passed and N_r rejected frames, let p be the share of defects among the passed and r the share of goods
among the rejected. Then

    escape rate   = N_p p / (N_p p + N_r (1 - r))      missed defects of all defects
    overkill rate = N_r r / (N_r r + N_p (1 - p))      false rejects of all goods

Both rise with p and with r. So the limits of the two shares meld into limits of the rates (Fay, Proschan and
Brittain 2015): the lower confidence distributions of both shares give that of a rate, the upper ones
likewise. The shares' own limits are exact (``share_bounds.py``, ``side_shares.py``). Where people erred, the
number of true defects in each sample is itself drawn (``reader_errors.py``).

All of it is about the frames of the window, and not about those that the line will see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.schedule.review_rates.reader_errors import ReaderDraws, reader_draws
from saec.schedule.review_rates.share_bounds import Array
from saec.schedule.review_rates.side_shares import Sampled, SideShare, side_share
from saec.schedule.review_rates.stratum_sample import Side, StratumSample, pooled_samples


class RateInterval(msgspec.Struct, frozen=True):
    """A share with its interval.

    Attributes:
        value: the estimate; None where nobody has looked, or where there is nothing to be a share of.
        low, high: the interval; 0 and 1 where nothing is known.
        worst_low, worst_high: the interval if all missing and unseen frames were what makes it lower, or
            higher.
    """

    value: float | None
    low: float
    high: float
    worst_low: float
    worst_high: float

    @property
    def reach(self) -> float:
        """How far the farther end is from the estimate; 1 where nothing is known."""
        return 1.0 if self.value is None else max(self.high - self.value, self.value - self.low)


class ReaderRate(msgspec.Struct, frozen=True):
    """How often people err in one way: the median of the posterior, and its interval."""

    value: float
    low: float
    high: float


class ReaderErrors(msgspec.Struct, frozen=True):
    """How often people are wrong.

    Attributes:
        false_alarm: chance that a person says defect of a good.
        miss: chance that a person says good of a defect.
        compared: frames that two people or more answered.
        differed: how many of these got different answers.
    """

    false_alarm: ReaderRate
    miss: ReaderRate
    compared: int
    differed: int


class SideSums(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of one side.

    Attributes:
        population: number of frames; the next five, too, are the sums of those in ``StratumSample``.
        unseen: frames of days, or of drawing probabilities, of which nobody reviewed any though others of
            this side were reviewed. They are taken to be like these.
        found: frames that the line judged wrong, as people said by majority; a tie counts half.
    """

    population: int
    drawn: int
    reviewed: int
    unsure: int
    lost: int
    waiting: int
    unseen: int
    found: float


class QualityRates(msgspec.Struct, frozen=True, kw_only=True):
    """How well a line judged the frames of a window.

    Attributes:
        confidence: level of each interval.
        passed, rejected: the frames behind it.
        defects_among_passed: share of the passed frames that are defects; it depends on how many defects
            come.
        goods_among_rejected: share of the rejected frames that are goods; likewise.
        escape_rate: missed defects of all defects.
        overkill_rate: false rejects of all goods.
        readers: how often people err; None where no frame has two answers. Then people count as right.
    """

    confidence: float
    passed: SideSums
    rejected: SideSums
    defects_among_passed: RateInterval
    goods_among_rejected: RateInterval
    escape_rate: RateInterval
    overkill_rate: RateInterval
    readers: ReaderErrors | None


_Missing = Literal["none", "right", "wrong"]
# What the missing frames are taken for: as the others, all judged right, all judged wrong.

_Ends = tuple[float | None, float, float]


def estimate_rates(
    samples: Sequence[StratumSample],
    *,
    elsewhere: Sequence[StratumSample] = (),
    confidence: float = 0.9,
    seed: int = 0,
) -> QualityRates:
    """The four shares of a window.

    Args:
        samples: the random samples of the window's passed and rejected frames.
        elsewhere: samples of other windows with the same readers; they tell of the readers alone.
        confidence: level of each interval, from 0.5 to below 1.
        seed: the seed of the draws.

    Raises:
        ConfigError: the level is none.
        DataError: a sample that cannot be.
    """
    if not 0.5 <= confidence < 1.0:
        raise ConfigError(f"a confidence of {confidence:g} is no level", "give one from 0.5 to below 1")
    cells, others = pooled_samples(samples), pooled_samples(elsewhere)
    compared, differed = _comparisons([*cells, *others])
    drawn = reader_draws([*cells, *others], seed) if compared else None
    wrong = [_wrong(cell, drawn, at) for at, cell in enumerate(cells)]
    seen = _four_shares(cells, wrong, "none", confidence, seed)
    low = high = seen
    if any(cell.missing or not cell.reviewed for cell in cells):
        low = _four_shares(cells, wrong, "right", confidence, seed)
        high = _four_shares(cells, wrong, "wrong", confidence, seed)
    rates = [
        RateInterval(*a, min(a[1], b[1]), max(a[2], c[2])) for a, b, c in zip(seen, low, high, strict=True)
    ]
    return QualityRates(
        confidence=confidence,
        passed=_side_sums(cells, "passed"),
        rejected=_side_sums(cells, "rejected"),
        defects_among_passed=rates[0],
        goods_among_rejected=rates[1],
        escape_rate=rates[2],
        overkill_rate=rates[3],
        readers=None if drawn is None else _readers(drawn, compared, differed, confidence),
    )


def rates_of_sides(passed: SideShare, rejected: SideShare, confidence: float) -> list[_Ends]:
    """Estimate, low and high end of: defects among passed, goods among rejected, escape and overkill rate."""
    tail = (1.0 - confidence) / 2.0

    def ends(value: float | None, low: Array, high: Array) -> _Ends:
        below, above = float(np.quantile(low, tail)), float(np.quantile(high, 1.0 - tail))
        return (
            value,
            below if value is None else min(below, value),
            above if value is None else max(above, value),
        )

    return [
        ends(passed.value, passed.low, passed.high),
        ends(rejected.value, rejected.low, rejected.high),
        ends(*_rate(passed, rejected)),
        ends(*_rate(rejected, passed)),
    ]


def _rate(own: SideShare, other: SideShare) -> tuple[float | None, Array, Array]:
    """What the line got wrong on one side, as a share of it and of what it got right on the other."""

    def rate(share: Array, others: Array, empty: float) -> Array:
        wrong, right = own.frames * share, other.frames * (1.0 - others)
        whole = wrong + right
        found: Array = np.where(whole > 0.0, wrong / np.where(whole > 0.0, whole, 1.0), empty)
        return found

    low, high = rate(own.low, other.low, 0.0), rate(own.high, other.high, 1.0)
    mine = 0.0 if not own.frames else own.value
    theirs = 0.0 if not other.frames else other.value
    if mine is None or theirs is None:
        return None, low, high
    value = float(rate(np.array([mine]), np.array([theirs]), np.nan)[0])
    return None if np.isnan(value) else value, low, high


def _four_shares(
    cells: Sequence[StratumSample],
    wrong: Sequence[NDArray[np.int64]],
    missing: _Missing,
    confidence: float,
    seed: int,
) -> list[_Ends]:
    rng = np.random.default_rng(seed)
    sides: dict[Side, list[Sampled]] = {"passed": [], "rejected": []}
    seen = {cell.side for cell in cells if cell.reviewed}
    frames: dict[Side, int] = {"passed": 0, "rejected": 0}
    for cell, found in zip(cells, wrong, strict=True):
        frames[cell.side] += cell.population
        more, reviewed = cell.missing, cell.reviewed
        if not reviewed and cell.side in seen:
            if missing == "none":
                continue  # it is taken to be like the others
            more = cell.population
        more = more if missing != "none" else 0
        blamed = more if missing == "wrong" else 0
        sides[cell.side].append(Sampled(cell.population, reviewed + more, found + blamed))
    passed, rejected = (
        side_share(sides[side], rng)._replace(frames=frames[side]) for side in ("passed", "rejected")
    )
    return rates_of_sides(passed, rejected, confidence)


def _wrong(cell: StratumSample, drawn: ReaderDraws | None, at: int) -> NDArray[np.int64]:
    """How many reviewed frames of a sample the line judged wrong: one number, or one for each draw."""
    if drawn is None:
        said = sum(n * defects for (_, defects), n in cell.readings.items())
        defects = np.array([said], dtype=np.int64)
    else:
        defects = drawn.defects[:, at]
    return defects if cell.side == "passed" else cell.reviewed - defects


def _comparisons(samples: Sequence[StratumSample]) -> tuple[int, int]:
    """Frames with two answers or more, and those whose answers differ."""
    several = [(key, n) for one in samples for key, n in one.readings.items() if key[0] > 1]
    return sum(n for _, n in several), sum(n for (answers, said), n in several if 0 < said < answers)


def _readers(drawn: ReaderDraws, compared: int, differed: int, confidence: float) -> ReaderErrors:
    tail = (1.0 - confidence) / 2.0

    def rate(draws: Array) -> ReaderRate:
        low, value, high = np.quantile(draws, (tail, 0.5, 1.0 - tail))
        return ReaderRate(float(value), float(low), float(high))

    return ReaderErrors(rate(drawn.false_alarms), rate(drawn.misses), compared, differed)


def _side_sums(cells: Sequence[StratumSample], side: Side) -> SideSums:
    mine = [cell for cell in cells if cell.side == side]
    reviewed = sum(cell.reviewed for cell in mine)
    votes = [(2 * said - answers, n) for cell in mine for (answers, said), n in cell.readings.items()]
    sign = 1 if side == "passed" else -1
    return SideSums(
        population=sum(cell.population for cell in mine),
        drawn=sum(cell.drawn for cell in mine),
        reviewed=reviewed,
        unsure=sum(cell.unsure for cell in mine),
        lost=sum(cell.lost for cell in mine),
        waiting=sum(cell.waiting for cell in mine),
        unseen=sum(cell.population for cell in mine if not cell.reviewed) if reviewed else 0,
        found=sum(n * (1.0 if sign * more > 0 else 0.5 if more == 0 else 0.0) for more, n in votes),
    )
