"""What thresholds by costs really cost, on known distributions: ours beside its rivals.

Each figure is the mean of w * escape rate + overkill rate, over laws of goods and shapes of defects. ``w`` is
how much more a missed defect weighs. ``benchmarks/threshold.py --costs`` prints the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from saec.schedule.calibration.score_calibration import fit_sigmoid
from saec.schedule.calibration.threshold_choices import LabelledScores, choose_threshold
from saec.schedule.statistics.logistic import log_odds
from saec.schedule.statistics.threshold import threshold_for
from saec.settings.threshold_rule import ErrorCosts, ThresholdRule

Array = NDArray[np.float64]
Chooser = Callable[[Array, Array, float], float]

GOODS = {
    "normal": stats.norm(),
    "gamma (2)": stats.gamma(2),
    "Gumbel": stats.gumbel_r(),
    "Student (5)": stats.t(5),
}
DISTANCES = (-1.0, 0.0, 1.0, 2.0, 3.0, 5.0)
"""Of typical defects from the goods' 95 % quantile, in their standard deviations."""


class Defects:
    """A mixture of two laws, the same one twice where defects are of one kind."""

    def __init__(self, *kinds: stats.distributions.rv_frozen) -> None:
        self._kinds = kinds

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        which = rng.integers(len(self._kinds), size=n)
        return np.array([self._kinds[k].rvs(random_state=rng) for k in which])

    def below(self, at: Array) -> Array:
        return np.asarray(np.mean([kind.cdf(at) for kind in self._kinds], axis=0))


def shapes(good: stats.distributions.rv_frozen, distance: float) -> list[Defects]:
    """Defects of one narrow kind, of one wide and skewed kind, and of two kinds, one of them far."""
    unit, edge = good.std(), good.ppf(0.95)
    middle = max(edge - good.median() + distance * unit, 0.3 * unit)
    return [
        Defects(stats.norm(edge + distance * unit, unit)),
        Defects(stats.lognorm(0.8, loc=good.median(), scale=middle)),
        Defects(
            stats.norm(edge + (distance - 0.7) * unit, 0.6 * unit),
            stats.norm(edge + (distance + 4) * unit, 2 * unit),
        ),
    ]


def _rule(rule: Callable[[float], ThresholdRule]) -> Chooser:
    return lambda goods, defects, w: choose_threshold(LabelledScores(goods, defects), rule(w), 0.5)


def samples_best(goods: Array, defects: Array, w: float) -> float:
    """The middle of the gap in which the sample's own rates cost least."""
    known = np.unique(np.concatenate([goods, defects]))
    at = (known[1:] + known[:-1]) / 2
    over = 1 - np.searchsorted(goods, at) / len(goods)
    cost = w * np.searchsorted(defects, at) / len(defects) + over
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    return float(at[best[len(best) // 2]])


def two_normals(goods: Array, defects: Array, w: float) -> float:
    """Both classes normal."""
    at = _grid(goods, defects)
    spread = defects.std(ddof=1) or goods.std()
    cost = w * stats.norm.cdf(at, defects.mean(), spread) + stats.norm.sf(at, goods.mean(), goods.std(ddof=1))
    return float(at[cost.argmin()])


def kernels(goods: Array, defects: Array, w: float) -> float:
    """Both classes by Gaussian kernels of Silverman's width."""
    at = _grid(goods, defects)
    width = [1.06 * x.std(ddof=1) * len(x) ** -0.2 for x in (goods, defects)]
    over = stats.norm.sf((at[:, None] - goods) / width[0]).mean(1)
    cost = w * stats.norm.cdf((at[:, None] - defects) / max(width)).mean(1) + over
    return float(at[cost.argmin()])


def logistic(goods: Array, defects: Array, w: float) -> float:
    """Where the line's P(defect) says that both errors cost the same."""
    curve = fit_sigmoid(goods, defects, threshold=threshold_for(goods, 0.05), prevalence=0.5)
    return float(curve.centre + (log_odds(1 / (1 + w)) - curve.offset) / max(curve.slope, 1e-9))


def _grid(goods: Array, defects: Array) -> Array:
    return np.linspace(goods.min(), max(goods.max(), defects.max()), 400)


BY_COST: Mapping[str, Chooser] = {
    "ours": _rule(lambda w: ThresholdRule(cost=ErrorCosts(missed_defect=w, false_reject=1.0))),
    "sample's best": samples_best,
    "two normals": two_normals,
    "kernels": kernels,
    "logistic": logistic,
    "goods alone, 5 %": _rule(lambda w: ThresholdRule(overkill_rate=0.05)),
}
BY_DEFAULT: Mapping[str, Chooser] = {
    "default": _rule(lambda w: ThresholdRule()),
    "goods alone, 5 %": _rule(lambda w: ThresholdRule(overkill_rate=0.05)),
    "goods alone, 2 %": _rule(lambda w: ThresholdRule(overkill_rate=0.02)),
    "equal costs": BY_COST["ours"],
}


def print_costs(goods: int, known: Sequence[int], weights: Sequence[float], trials: int) -> None:
    """The table of the rule by costs, over all distances; then that of the default, by distance."""
    print(f"| w | defects | best possible | {' | '.join(BY_COST)} |\n|---|---|---|{'---|' * len(BY_COST)}")
    for w in weights:
        for n in known:
            best, means = _realised(BY_COST, DISTANCES, goods, n, w, trials)
            print(f"| {w:g} | {n} | {best:.3f} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    print(f"\n| distance | defects | best possible | {' | '.join(BY_DEFAULT)} |")
    print(f"|---|---|---|{'---|' * len(BY_DEFAULT)}")
    for distance in DISTANCES:
        for n in known:
            best, means = _realised(BY_DEFAULT, (distance,), goods, n, 1.0, trials)
            cells = " | ".join(f"{mean:.3f}" for mean in means)
            print(f"| {distance:g} | {n} | {best:.3f} | {cells} |")


def _realised(
    choosers: Mapping[str, Chooser],
    distances: Sequence[float],
    goods: int,
    known: int,
    w: float,
    trials: int,
) -> tuple[float, Array]:
    """The mean of the least possible cost, and that of each chooser."""
    rng = np.random.default_rng(known)
    best, found = [], []
    for law in GOODS.values():
        for defects in (one for distance in distances for one in shapes(law, distance)):
            grid = np.linspace(law.ppf(0.01), law.ppf(0.999999) + 3 * law.std(), 2000)
            best.append((w * defects.below(grid) + law.sf(grid)).min())
            for _ in range(trials):
                scores = np.sort(law.rvs(goods, random_state=rng)), np.sort(defects.draw(known, rng))
                at = np.array([choose(*scores, w) for choose in choosers.values()])
                found.append(w * defects.below(at) + law.sf(at))
    return float(np.mean(best)), np.asarray(np.mean(found, axis=0))
