"""How often are certified bounds broken? On scores of known risk, and with a line's own scores as population.

Each draw certifies alpha, beta and delta from a fresh calibration and is broken when the true escape rate of
what the edge passes is above alpha or the true overkill rate of what it rejects above beta. At most delta
of the draws may be (2 standard errors allowed for the draws). Exit status 1 where more are.

- Synthetic: normal, log-normal and rounded scores (ties), of which the true risks are known.
- ``--runs RUN...``: run folders of ``saec evaluate LINE DATASET --out RUN``. All labelled scores of a set
  are the population: those of the run, and the cross-fitted goods and the defects of its line. The
  calibration is drawn from it with replacement, as many as it has of each class, and the risk is that on
  the whole of it.

``decided`` is the share of frames that the edge decides alone under the certified gate (mean over draws,
at the population's own shares of goods and defects, at 50 % for synthetic scores).

Half a minute on one core: ``python benchmarks/risk.py --runs runs/*``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from saec.profile import LineProfile
from saec.runs.run_record import VERDICTS_FILE, read_run
from saec.runs.verdict_log import read_verdicts
from saec.schedule.calibration.certified_risk import certified_gate, certify
from saec.schedule.statistics.threshold import threshold_for
from saec.types import DEFECT, GOOD

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Where calibrations come from, and the true risk of any two scores.

    Attributes:
        draw: makes the scores of goods and defects of one calibration.
        good_below, good_above, defect_below, defect_above: P(score < s) and P(score > s) of each class.
        defects: share of defects among all frames.
    """

    name: str
    n_good: int
    n_defect: int
    draw: Callable[[np.random.Generator], tuple[Array, Array]]
    good_below: Callable[[float], float]
    good_above: Callable[[float], float]
    defect_below: Callable[[float], float]
    defect_above: Callable[[float], float]
    defects: float = 0.5


@dataclass
class Seen:
    """What the draws gave."""

    escapes: int = 0
    overkills: int = 0
    either: int = 0
    decided: list[float] = field(default_factory=list)


def synthetic(name: str, shift: float, step: float, n_good: int, n_defect: int, *, log: bool) -> Population:
    """Normal goods, and defects ``shift`` higher; ``log`` is their exponential, ``step`` rounds them."""

    def shape(x: Array) -> Array:
        x = np.exp(0.5 * x) if log else x
        return np.round(x / step) * step if step else x

    def below(s: float, mean: float) -> float:
        s = s - 0.5 * step if step else s
        return float(ndtr((2 * np.log(s) if s > 0 else -np.inf) - mean if log else s - mean))

    def above(s: float, mean: float) -> float:
        return 1.0 - below(s + step if step else s, mean)

    return Population(
        name,
        n_good,
        n_defect,
        lambda rng: (shape(rng.normal(size=n_good)), shape(rng.normal(shift, 1, n_defect))),
        lambda s: below(s, 0.0),
        lambda s: above(s, 0.0),
        lambda s: below(s, shift),
        lambda s: above(s, shift),
    )


def of_run(folder: Path) -> Population:
    """The scores of a run and of the line that judged it."""
    verdicts = [v for v in read_verdicts(folder / VERDICTS_FILE) if v.score is not None]
    info = read_run(folder).line
    calibration = LineProfile.open(info.folder, verify=False).calibration
    goods = np.array([*calibration.goods, *(v.score for v in verdicts if v.truth == GOOD)])
    defects = np.array([*calibration.defects, *(v.score for v in verdicts if v.truth == DEFECT)])
    return Population(
        f"{folder.name} (pool)",
        len(goods),
        len(defects),
        lambda rng: (rng.choice(goods, len(goods)), rng.choice(defects, len(defects))),
        lambda s: float((goods < s).mean()),
        lambda s: float((goods > s).mean()),
        lambda s: float((defects < s).mean()),
        lambda s: float((defects > s).mean()),
        len(defects) / (len(goods) + len(defects)),
    )


def try_out(population: Population, draws: int, alpha: float, beta: float, delta: float) -> Seen:
    """Certify on fresh calibrations and compare with the truth."""
    rng, seen, p = np.random.default_rng(0), Seen(), population
    for _ in range(draws):
        goods, defects = p.draw(rng)
        certificate = certify(goods, defects, alpha=alpha, beta=beta, delta=delta)
        low, high = certificate.pass_below, certificate.reject_above
        escape = low is not None and p.defect_below(low) > alpha
        overkill = high is not None and p.good_above(high) > beta
        seen.escapes += escape
        seen.overkills += overkill
        seen.either += escape or overkill
        gate = certified_gate(certificate, threshold_for(goods, beta))
        of_defects = p.defect_below(gate.low) + p.defect_above(gate.high)
        of_goods = p.good_below(gate.low) + p.good_above(gate.high)
        seen.decided.append(p.defects * of_defects + (1 - p.defects) * of_goods)
    return seen


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--beta", type=float, default=0.05)
    parser.add_argument("--delta", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=10_000, help="of synthetic calibrations")
    parser.add_argument("--pool-draws", type=int, default=2_000, help="of calibrations from a run's scores")
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    options = parser.parse_args(argv)
    asked = (options.alpha, options.beta, options.delta)
    jobs = [
        (synthetic("normal, 3 apart", 3, 0, 200, 45, log=False), options.draws),
        (synthetic("normal, 3 apart", 3, 0, 200, 63, log=False), options.draws),
        (synthetic("normal, 2 apart", 2, 0, 60, 120, log=False), options.draws),
        (synthetic("log-normal, 4 apart", 4, 0, 320, 240, log=True), options.draws),
        (synthetic("rounded to .5, 3 apart", 3, 0.5, 200, 63, log=False), options.draws),
        (synthetic("no defects known", 3, 0, 200, 0, log=False), options.draws),
        *((of_run(run), options.pool_draws) for run in options.runs),
    ]
    print(f"alpha {asked[0]:g}, beta {asked[1]:g}, delta {asked[2]:g}; broken bounds in percent of draws\n")
    print("| scores | goods | defects | draws | escape | overkill | either | allowed | decided |")
    print("|---|---|---|---|---|---|---|---|---|")
    worst = 0.0
    for population, draws in jobs:
        seen = try_out(population, draws, *asked)
        allowed = asked[2] + 2 * (asked[2] * (1 - asked[2]) / draws) ** 0.5
        worst = max(worst, seen.either / draws - allowed)
        shares = " | ".join(f"{100 * n / draws:.1f}" for n in (seen.escapes, seen.overkills, seen.either))
        print(
            f"| {population.name} | {population.n_good} | {population.n_defect} | {draws} | {shares} | "
            f"{100 * allowed:.1f} | {100 * np.mean(seen.decided):.1f} |"
        )
    return 1 if worst > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
