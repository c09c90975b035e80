"""Do the intervals of escape rate, overkill rate and shares cover, and how wide are they?

Each shift has true labels: a size, a prevalence, an escape and an overkill rate, drawing probabilities and
reviews are drawn at random from wide ranges. Half of the shifts last over midnight: then the prevalence is
another one, and often the drawing probabilities. In half of the shifts some of the drawn frames still wait,
of either day another share. One percent of the drawn frames is lost, and people are not sure of another one.
Readers see frames as the station shows them: a second reader where the first contradicts the verdict and for
a tenth of the others, a third where two differ. The readers are

- ``right``: never wrong, and counted as right;
- ``2 %``: wrong in 2 % of their answers, of goods and of defects alike; modelled;
- ``1 and 6 %``: wrong in 1 % of the goods and 6 % of the defects; modelled;
- ``unmodelled``: wrong in 2 %, one reader a frame, and counted as right: what happens without the model;
- ``hard frames``: all errors are on a tenth of the frames, where a reader errs in 20 %. The model does not
  hold: readers err together. It is printed and not judged.

Truth is what the shift was: missed defects of its defects, and so on. Coverage passes where an exact binomial
test (one-sided, 5 %) does not find it below 90 %. Widths pass where the median is at most 1.3 times that of
Clopper-Pearson on as many reviews, for readers who are right:

- a share: on the reviews of its side;
- a rate: ``plain``, on as many reviews drawn at random from all frames; and ``known``, on the reviews of
  each side with the share of the other side known, the wider of both.

Exit status 1 where one fails. Five minutes on one core: ``python benchmarks/review_rates.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from saec.schedule.review_rates.quality_rates import QualityRates, RateInterval, estimate_rates
from saec.schedule.review_rates.reviews_needed import RATES, four_rates
from saec.schedule.review_rates.stratum_sample import Side, StratumSample
from saec.schedule.statistics.exact_interval import clopper_pearson

CONFIDENCE = 0.9
WIDER = 1.3
SIDES: tuple[Side, Side] = ("passed", "rejected")


@dataclass(frozen=True)
class Readers:
    """How people err.

    Attributes:
        false_alarm, miss: chance of a wrong answer of a good and of a defect.
        hard: share of frames on which all errors are.
        several: frames get second and third opinions.
        judged: this model is to hold.
    """

    name: str
    false_alarm: float
    miss: float
    hard: float = 1.0
    several: bool = True
    judged: bool = True


READERS = (
    Readers("right", 0.0, 0.0, several=False),
    Readers("2 %", 0.02, 0.02),
    Readers("1 and 6 %", 0.01, 0.06),
    Readers("unmodelled", 0.02, 0.02, several=False, judged=False),
    Readers("hard frames", 0.02, 0.02, hard=0.1, judged=False),
)


@dataclass(frozen=True)
class Shift:
    """One shift with its true counts, and what was seen of it.

    Attributes:
        truth: the four figures; None where there is nothing to be a share of.
        references: widths of Clopper-Pearson intervals, of each figure.
    """

    samples: Sequence[StratumSample]
    truth: Sequence[float | None]
    references: Sequence[Sequence[float]]


@dataclass
class Tally:
    """What the shifts gave for one figure."""

    covered: int = 0
    shifts: int = 0
    widths: list[float] = field(default_factory=list)
    references: list[Sequence[float]] = field(default_factory=list)

    def add(self, found: RateInterval, truth: float | None, references: Sequence[float]) -> None:
        if truth is None:
            return
        self.shifts += 1
        self.covered += found.low - 1e-9 <= truth <= found.high + 1e-9
        self.widths.append(found.high - found.low)
        self.references.append(references)

    @property
    def chance(self) -> float:
        """One-sided p of coverage being at its level."""
        return float(binomtest(self.covered, self.shifts, CONFIDENCE, alternative="less").pvalue)

    def ratios(self) -> list[float]:
        return [float(np.median(self.widths) / np.median(one)) for one in zip(*self.references, strict=True)]


def simulated_shift(rng: np.random.Generator, readers: Readers) -> Shift:
    """A shift from wide ranges, with its random samples as people answered them."""
    size = int(np.exp(rng.uniform(np.log(400), np.log(60_000))))
    prevalence = float(rng.choice([0.003, 0.01, 0.03, 0.1, 0.3]))
    escape = float(rng.choice([0.0, 0.02, 0.1, 0.3]))
    overkill = float(rng.choice([0.001, 0.01, 0.05]))
    change = int(size * rng.uniform(0.2, 0.8)) if rng.random() < 0.5 else size
    risk = np.full(size, prevalence)
    risk[change:] *= np.exp(rng.uniform(-1.2, 1.2))
    defect = rng.random(size) < np.minimum(risk, 0.5)
    rejected = np.where(defect, rng.random(size) >= escape, rng.random(size) < overkill)
    reviews = np.exp(rng.uniform(np.log(20), np.log(400), 2))
    waits = rng.uniform(0.0, 0.7, 2) if rng.random() < 0.5 else np.zeros(2)
    samples = []
    for side, mine, wanted in zip(SIDES, (~rejected, rejected), reviews, strict=True):
        mean = min(1.0, wanted / max(1, int(mine.sum())))
        factor = float(np.exp(rng.uniform(-1.2, 1.2))) if rng.random() < 0.5 else 1.0
        chances = (mean, min(1.0, mean * factor))
        for day, part in enumerate((slice(0, change), slice(change, size))):
            truths = defect[part][mine[part]]
            if len(truths):
                one = _sample(rng, side, chances[day], truths, readers, waits[day])
                samples.append(msgspec.structs.replace(one, day=day))
    truth = _truth(defect, rejected)
    return Shift(samples, truth, _references(rng, defect, rejected, samples, truth))


def _sample(
    rng: np.random.Generator,
    side: Side,
    probability: float,
    truths: NDArray[np.bool_],
    readers: Readers,
    waits: float,
) -> StratumSample:
    drawn = truths[rng.random(len(truths)) < probability]
    fate = rng.random(len(drawn))
    answered = drawn[fate >= 0.02 + 0.98 * waits]
    readings = Counter(_answers(rng, side, bool(one), readers) for one in answered)
    return StratumSample(
        side=side,
        probability=probability,
        population=len(truths),
        drawn=len(drawn),
        readings=dict(readings),
        unsure=int((fate < 0.01).sum()),
        lost=int(((fate >= 0.01) & (fate < 0.02)).sum()),
    )


def _answers(rng: np.random.Generator, side: Side, defect: bool, readers: Readers) -> tuple[int, int]:
    """Number of answers about a frame, and how many of them say defect."""
    error = readers.miss if defect else readers.false_alarm
    if readers.hard < 1.0:
        error = error / readers.hard if rng.random() < readers.hard else 0.0
    said = [defect != (rng.random() < error)]
    if readers.several and (said[0] != (side == "rejected") or rng.random() < 0.1):
        said.append(defect != (rng.random() < error))
        if said[0] != said[1]:
            said.append(defect != (rng.random() < error))
    return len(said), sum(said)


def _truth(defect: NDArray[np.bool_], rejected: NDArray[np.bool_]) -> list[float | None]:
    missed, false = int((defect & ~rejected).sum()), int((~defect & rejected).sum())
    wholes = (int((~rejected).sum()), int(rejected.sum()), int(defect.sum()), int((~defect).sum()))
    return [
        count / whole if whole else None
        for count, whole in zip((missed, false, missed, false), wholes, strict=True)
    ]


def _references(
    rng: np.random.Generator,
    defect: NDArray[np.bool_],
    rejected: NDArray[np.bool_],
    samples: Sequence[StratumSample],
    truth: Sequence[float | None],
) -> list[Sequence[float]]:
    """Widths of Clopper-Pearson intervals on as many reviews, by the true labels."""
    counts = [sum(one.reviewed for one in samples if one.side == side) for side in SIDES]
    sizes = [int((~rejected).sum()), int(rejected.sum())]
    wrong = [int((defect & ~rejected).sum()), int((~defect & rejected).sum())]
    ends = [
        _ends(int(rng.hypergeometric(k, n - k, m)) if m else 0, m)
        for k, n, m in zip(wrong, sizes, counts, strict=True)
    ]
    shown = rng.permutation(len(defect))[: sum(counts)]
    plain = []
    for of, hit in ((defect, ~rejected), (~defect, rejected)):
        low, high = _ends(int((of & hit)[shown].sum()), int(of[shown].sum()))
        plain.append(high - low)
    p, r = (0.0 if one is None else one for one in truth[:2])

    def rate(own: int, mine: float, other: int, theirs: float) -> float:
        whole = own * mine + other * (1 - theirs)
        return own * mine / whole if whole else 0.0

    passed, turned = sizes
    known = [
        max(
            rate(passed, ends[0][1], turned, r) - rate(passed, ends[0][0], turned, r),
            rate(passed, p, turned, ends[1][1]) - rate(passed, p, turned, ends[1][0]),
        ),
        max(
            rate(turned, ends[1][1], passed, p) - rate(turned, ends[1][0], passed, p),
            rate(turned, r, passed, ends[0][1]) - rate(turned, r, passed, ends[0][0]),
        ),
    ]
    shares = [(high - low, high - low) for low, high in ends]
    return [*shares, (plain[0], known[0]), (plain[1], known[1])]


def _ends(k: int, n: int) -> tuple[float, float]:
    return clopper_pearson(k, n, CONFIDENCE) or (0.0, 1.0)


def run(readers: Readers, shifts: int, seed: int, estimate: Callable[..., QualityRates]) -> dict[str, Tally]:
    """The four figures over simulated shifts."""
    tallies: dict[str, Tally] = {name: Tally() for name in RATES}
    for at in range(shifts):
        shift = simulated_shift(np.random.default_rng([seed, at]), readers)
        rates = estimate(shift.samples, confidence=CONFIDENCE)
        found = four_rates(rates)
        for name, truth, references in zip(RATES, shift.truth, shift.references, strict=True):
            tallies[name].add(found[name], truth, references)
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shifts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="+", choices=[one.name for one in READERS])
    parser.add_argument("--wider", type=float, default=WIDER, help="bar of the widths; few shifts scatter")
    args = parser.parse_args()
    print(f"{args.shifts} shifts, {CONFIDENCE:.0%} intervals; median widths, and to Clopper-Pearson's\n")
    print("| readers | figure | shifts | covered | p | width | plain | known |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    failed = False
    for readers in READERS:
        if args.readers and readers.name not in args.readers:
            continue
        for name, tally in run(readers, args.shifts, args.seed, estimate_rates).items():
            plain, known = tally.ratios()
            print(
                f"| {readers.name} | {name.replace('_', ' ')} | {tally.shifts} "
                f"| {tally.covered / tally.shifts:.1%} | {tally.chance:.2g} | {np.median(tally.widths):.4f} "
                f"| {plain:.2f} | {known:.2f} |",
                flush=True,
            )
            wide = not readers.several and max(plain, known) > args.wider
            failed |= readers.judged and (tally.chance < 0.05 or wide)
    print("\nA bar is missed." if failed else "\nAll bars hold.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
