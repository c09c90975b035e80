"""Whether pictures look as those that were pinned, within tolerances that follow from the goods' own spread.

A camera that is dimmed, out of focus or moved changes all pictures alike. So the mean difference over the
parts is tested, which finds far less than one picture shows: the spread of a mean over m parts is that of one
part divided by the root of m. The same part taken again differs less than two goods do. So tests with the
spread of the goods raise fewer false alarms than their level says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np

from saec.station.challenge.picture_look import PictureLook, shift_between, unlikeness
from saec.station.challenge_records import ConditionCheck

LEVEL = 0.001
"""False alarms of a test in each run, if the same part taken again differed as much as two goods do."""

_CLOSED = 0.02
"""Share of the longer side by which three shifts around a triangle may miss their start and be measurements.
Between pictures of a texture without a common shape they miss it by far more, and say nothing of position."""

_MOST_UNLIKE = 0.5
"""A picture that correlates less than 0.5 with that of its own part is another one, however unlike the goods
are among each other."""

_BEYOND = 1.5
"""By how much goods may be less like the references than two references are like each other."""

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class LeastTolerances:
    """What is allowed in any case: a lamp and a camera that nobody has touched vary by as much.

    Attributes:
        brightness, sharpness, score: logarithms of ratios.
        position: share of the longer side.
        likeness: what may be lacking of a correlation of 1.
    """

    brightness: float = 0.05
    sharpness: float = 0.2
    position: float = 0.01
    likeness: float = 0.02
    score: float = 0.2


@dataclass(frozen=True, slots=True)
class GoodsSpread:
    """How much goods differ among each other.

    Attributes:
        goods: how many it was measured on.
        brightness, sharpness: standard deviations of the logarithms.
        position: standard deviation of the place along an axis, in shares of the longer side; 0 where the
            goods have no common shape to measure it by.
        unlike: ``unlikeness`` of each pair.
        score: standard deviation of the logarithm of the scores; 0 where too few are known.
        scores: how many.
    """

    goods: int
    brightness: float
    sharpness: float
    position: float
    unlike: tuple[float, ...]
    score: float
    scores: int


@dataclass(frozen=True, slots=True)
class PairedPicture:
    """A golden part as it was pinned and as it was seen now.

    Attributes:
        name: the part's.
        pinned, seen: both pictures; None where they are known to be one file.
        score_pinned, score_seen: what one version said of both; None where unknown.
    """

    name: str
    pinned: PictureLook | None = None
    seen: PictureLook | None = None
    score_pinned: float | None = None
    score_seen: float | None = None


def goods_spread(goods: Sequence[PictureLook], scores: Sequence[float]) -> GoodsSpread:
    """Measure how much goods differ.

    Args:
        goods: pictures of different goods of one product.
        scores: the edge's scores of goods that it was not fitted on.
    """
    pairs = {(i, j): shift_between(goods[i], goods[j]) for i, j in combinations(range(len(goods)), 2)}
    unlike = tuple(unlikeness(goods[i], goods[j], shift) for (i, j), shift in pairs.items())
    positive = [math.log(score) for score in scores if score > 0]
    return GoodsSpread(
        goods=len(goods),
        brightness=_deviation([math.log(max(one.brightness, 1.0)) for one in goods]),
        sharpness=_deviation([math.log(max(one.sharpness, _TINY)) for one in goods]),
        position=_position_spread(len(goods), pairs),
        unlike=unlike,
        score=_deviation(positive),
        scores=len(positive),
    )


def check_conditions(
    parts: Sequence[PairedPicture], spread: GoodsSpread, least: LeastTolerances | None = None
) -> list[ConditionCheck]:
    """Compare pictures, and the scores of one version, with those that were pinned.

    Args:
        parts: the golden parts; what is None in them is not compared.
        spread: the goods' own.
        least: what is allowed in any case.
    """
    floor = least or LeastTolerances()
    seen = [(one.name, one.pinned, one.seen) for one in parts]
    pairs = [(name, old, new) for name, old, new in seen if old is not None and new is not None]
    shifts = {name: shift_between(old, new) for name, old, new in pairs}
    bright = {n: _log_ratio(old.brightness, new.brightness, 1.0) for n, old, new in pairs}
    sharp = {n: _log_ratio(old.sharpness, new.sharpness, _TINY) for n, old, new in pairs}
    unlike = {n: unlikeness(old, new, shifts[n]) for n, old, new in pairs}
    scores = {
        one.name: _log_ratio(one.score_pinned, one.score_seen, _TINY)
        for one in parts
        if one.score_pinned is not None and one.score_seen is not None and one.score_pinned > 0
    }
    n = spread.goods
    return [
        *_checked("brightness", bright, _tolerances(spread.brightness, n, floor.brightness, len(bright))),
        *_checked("sharpness", sharp, _tolerances(spread.sharpness, n, floor.sharpness, len(sharp))),
        *_position_check(shifts, _tolerances(spread.position, n, floor.position, len(shifts))),
        *_checked("likeness", unlike, _unlike_tolerances(spread.unlike, floor.likeness)),
        *_checked("score", scores, _tolerances(spread.score, spread.scores, floor.score, len(scores))),
    ]


def check_goods(
    goods: Sequence[PictureLook], references: Sequence[PictureLook], least: LeastTolerances | None = None
) -> list[ConditionCheck]:
    """Compare the golden goods with the goods that the line was fitted on: other parts, the same camera.

    So a set is found that was pinned from pictures which are dimmed, blurred, moved or of another product.
    With fewer than two pictures on either side nothing is said.
    """
    floor = least or LeastTolerances()
    if len(goods) < 2 or len(references) < 2:
        return []
    told: list[tuple[str, float, _Value]] = [
        ("goods' brightness", floor.brightness, lambda one: math.log(max(one.brightness, 1.0))),
        ("goods' sharpness", floor.sharpness, lambda one: math.log(max(one.sharpness, _TINY))),
    ]
    found = [
        _alone(name, *_two_means([[value(one) for one in side] for side in (references, goods)], 2 * least_))
        for name, least_, value in told
    ]
    found += _goods_position(goods, references, 2 * floor.position)
    usual = goods_spread(references, ()).unlike
    nearest = [min(_unlike(one, other) for other in references) for one in goods]
    allowed = max(floor.likeness, _BEYOND * max(usual))  # the largest of few is not the largest of all
    if allowed < _MOST_UNLIKE:  # else the goods are no more like each other than like anything
        found.append(_alone("goods' likeness", float(np.median(nearest)), allowed))
    return found


_Value = Callable[[PictureLook], float]


def _two_means(sides: Sequence[Sequence[float]], least: float) -> tuple[float, float]:
    """The difference of two means, and its tolerance.

    Golden goods and references are no random draws of one population: they are chosen, and come in batches.
    What batches differ by does not average out. So the tolerance is that of a single good, by Student's
    distribution with the pooled deviation, and is not divided by the root of their number.
    """
    freedom = sum(len(side) for side in sides) - len(sides)
    pooled = sum(float(np.var(side)) * len(side) for side in sides) / freedom
    return float(np.mean(sides[1]) - np.mean(sides[0])), max(least, _quantile(freedom) * math.sqrt(pooled))


def _goods_position(
    goods: Sequence[PictureLook], references: Sequence[PictureLook], least: float
) -> list[ConditionCheck]:
    """The place of the goods; nothing where the pictures have no common shape to measure it by."""
    every = [*references, *goods]
    pairs = {(i, j): shift_between(every[i], every[j]) for i, j in combinations(range(len(every)), 2)}
    if not _have_place(len(every), pairs):
        return []
    places = [(0.0, 0.0), *(pairs[0, j] or (0.0, 0.0) for j in range(1, len(every)))]
    split = len(references)
    moved = [
        _two_means([[p[a] for p in places[:split]], [p[a] for p in places[split:]]], least) for a in (0, 1)
    ]
    x, y = moved
    return [_alone("goods' position", math.hypot(x[0], y[0]), max(x[1], y[1]))]


def _alone(name: str, difference: float, tolerance: float) -> ConditionCheck:
    """A check of all parts together."""
    return ConditionCheck(
        name=name,
        difference=difference,
        tolerance=tolerance,
        worst="",
        worst_difference=difference,
        worst_tolerance=tolerance,
        ok=abs(difference) <= tolerance,
    )


def _checked(
    name: str, differences: Mapping[str, float], tolerances: tuple[float, float]
) -> list[ConditionCheck]:
    """A check of the mean and of the worst part; nothing without a part."""
    if not differences:
        return []
    mean = float(np.mean([*differences.values()]))
    worst = max(differences, key=lambda part: abs(differences[part]))
    return [
        ConditionCheck(
            name=name,
            difference=mean,
            tolerance=tolerances[0],
            worst=worst,
            worst_difference=differences[worst],
            worst_tolerance=tolerances[1],
            ok=abs(mean) <= tolerances[0] and abs(differences[worst]) <= tolerances[1],
        )
    ]


def _position_check(
    shifts: Mapping[str, tuple[float, float] | None], tolerances: tuple[float, float]
) -> list[ConditionCheck]:
    """As ``_checked``, of a length: the mean is that of both axes."""
    known = {name: shift or (1.0, 1.0) for name, shift in shifts.items()}  # of another shape: far off
    lengths = {name: math.hypot(*shift) for name, shift in known.items()}
    if not known:
        return []
    (checked,) = _checked("position", lengths, tolerances)
    x, y = (float(np.mean([shift[axis] for shift in known.values()])) for axis in (0, 1))
    mean = math.hypot(x, y)
    ok = mean <= tolerances[0] and checked.worst_difference <= tolerances[1]
    return [msgspec.structs.replace(checked, difference=mean, ok=ok)]


def _tolerances(deviation: float, known: int, least: float, parts: int) -> tuple[float, float]:
    """Of the mean over the parts, and of the worst of them (by Bonferroni), by Student's distribution."""
    if known < 3 or not parts:
        return least, 2 * least
    mean = _quantile(known - 1) * deviation / math.sqrt(parts)
    return max(least, mean), max(2 * least, _quantile(known - 1, LEVEL / parts) * deviation)


def _unlike_tolerances(unlike: Sequence[float], least: float) -> tuple[float, float]:
    """As unlike as two goods are, at most ``_MOST_UNLIKE``."""
    if not unlike:
        return min(5 * least, _MOST_UNLIKE), _MOST_UNLIKE
    usual, most = float(np.median(unlike)), max(unlike)
    return min(max(least, usual), _MOST_UNLIKE), min(max(2 * least, most), _MOST_UNLIKE)


def _position_spread(goods: int, pairs: Mapping[tuple[int, int], tuple[float, float] | None]) -> float:
    if not _have_place(goods, pairs):
        return 0.0
    squares = [x * x + y * y for x, y in filter(None, pairs.values())]
    return math.sqrt(float(np.mean(squares)) / 4)  # a pair has twice the variance, on each of two axes


def _have_place(goods: int, pairs: Mapping[tuple[int, int], tuple[float, float] | None]) -> bool:
    """Whether the shifts around most triangles of pictures add up, so that they are measurements."""
    gaps = []
    for i, j, k in combinations(range(goods), 3):
        one, two, three = pairs[i, j], pairs[j, k], pairs[i, k]
        if one is None or two is None or three is None:
            return False
        gaps.append(math.hypot(one[0] + two[0] - three[0], one[1] + two[1] - three[1]))
    return bool(gaps) and float(np.median(gaps)) <= _CLOSED


def _unlike(one: PictureLook, other: PictureLook) -> float:
    return unlikeness(one, other, shift_between(one, other))


def _log_ratio(before: float, after: float, least: float) -> float:
    return math.log(max(after, least) / max(before, least))


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _quantile(freedom: int, level: float = LEVEL) -> float:
    """Student's, of both tails together."""
    from scipy.special import stdtrit

    return float(stdtrit(max(1, freedom), 1 - level / 2))
