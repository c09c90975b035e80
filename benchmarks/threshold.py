"""How much of what was asked comes true: overkill of thresholds from few goods, on known distributions.

Prints mean (and root mean square error) of the realised overkill rate in percent, ours beside the plain
order statistic and a normal fit. Seconds on one core: ``python benchmarks/threshold.py``. With ``--costs``
it prints what thresholds by costs, and the default, really cost: a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threshold_costs import print_costs

from saec.schedule.statistics.threshold import threshold_for

LAWS = {
    "normal": stats.norm(),
    "log-normal (0.5)": stats.lognorm(0.5),
    "gamma (2)": stats.gamma(2),
    "Gumbel": stats.gumbel_r(),
    "Student (5)": stats.t(5),
    "uniform": stats.uniform(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overkill", type=float, default=0.05)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--goods", type=int, nargs="+", default=[3, 5, 20, 70, 320])
    parser.add_argument("--costs", action="store_true", help="thresholds from labelled defects")
    parser.add_argument("--defects", type=int, nargs="+", default=[2, 3, 5, 10, 30])
    parser.add_argument("--weights", type=float, nargs="+", default=[1, 10])
    options = parser.parse_args()
    if options.costs:
        (goods,) = options.goods[-1:]
        print_costs(goods, options.defects, options.weights, max(1, options.trials // 20))
        return
    rate = options.overkill
    estimators: dict[str, Callable[[NDArray[np.float64]], float]] = {
        "ours": lambda x: threshold_for(x, rate),
        "order statistic": lambda x: float(np.quantile(x, 1 - rate, method="weibull")),
        "normal fit": lambda x: float(x.mean() + x.std(ddof=1) * stats.norm.isf(rate)),
    }
    print(f"| scores | goods | {' | '.join(estimators)} |\n|---|---|{'---|' * len(estimators)}")
    for name, law in LAWS.items():
        for n in options.goods:
            samples = law.rvs((options.trials, n), random_state=np.random.default_rng(n))
            cells = []
            for estimate in estimators.values():
                realised = np.array([law.sf(estimate(sample)) for sample in samples])
                error = np.sqrt(((realised - rate) ** 2).mean())
                cells.append(f"{100 * realised.mean():.1f} ({100 * error:.1f})")
            print(f"| {name} | {n} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
