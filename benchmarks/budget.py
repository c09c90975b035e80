"""Does the budget hold, and what does holding it cost? Four streams, each judged frame by frame.

For each stream and budget it prints the share of frames that were asked about, the most in any window of
1,000 frames, the least in any whose last frame was worth asking and was refused, and the loss avoided (wrong
labels mended less right labels spoilt) as a share of what the best fixed threshold on the same values avoids.
That threshold is chosen in hindsight among all whose share over the run is within the budget, or within what
was asked where that is more, once under the same cap in every window and once without it, which no stream can
know. Means over seeds, and the worst. Half a minute on one core: ``python benchmarks/budget.py``.
"""

from __future__ import annotations

import argparse
import math
from collections import deque
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.profile import Calibration, CloudTrust, Mending
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.policies.budget import TOLERANCE, WINDOW, Budget
from saec.schedule.policies.expected_value import with_asking
from saec.schedule.policies.ranking import value_policy
from saec.settings import CostConfig, GateConfig
from saec.settings.threshold_rule import ThresholdRule
from saec.types import UNBOUNDED, CloudState, EdgeOpinion

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SHIFTS = ("none", "sudden", "drift", "bursts")
SEPARATION = 2.5  # of defects from goods, in standard deviations of either
CLOUD_ERROR = 0.05
UP = CloudState("up", 0, UNBOUNDED)
TRUST = CloudTrust(
    model="stated",
    prompt="",
    mode="fused",
    mending=Mending(escape=0.95, overkill=0.95, to_overkill=CLOUD_ERROR, to_escape=CLOUD_ERROR),
)


@dataclass(frozen=True)
class Stream:
    """Edge scores and complexities of frames, and what asking about each would avoid: 1, 0 or -1."""

    score: Floats
    complexity: Floats
    gain: Floats


@dataclass(frozen=True)
class Outcome:
    """One policy on one stream: which frames were asked about, which were worth it, their value."""

    asked: Bools
    worth: Bools
    value: Floats


def line(rng: np.random.Generator) -> Calibration:
    """A line calibrated on 200 goods and 40 defects of the unshifted law, at a prevalence of one half."""
    goods = {f"g{i}": float(s) for i, s in enumerate(rng.normal(0, 1, 200))}
    defects = {f"d{i}": float(s) for i, s in enumerate(rng.normal(SEPARATION, 1, 40))}
    complexities = {name: float(c) for name, c in zip([*goods, *defects], rng.normal(0, 1, 240), strict=True)}
    made = calibrate(
        goods,
        list(defects.values()),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=0.5,
        created="",
    )
    return with_asking(msgspec.structs.replace(made, defect_scores=defects, complexities=complexities))


def stream(shift: str, frames: int, threshold: float, rng: np.random.Generator) -> Stream:
    """Frames under one of ``SHIFTS``; 5 % defects where nothing else is said."""
    at = np.arange(frames)
    moved, prevalence = np.zeros(frames), np.full(frames, 0.05)
    if shift == "sudden":  # halfway the light changes and a bad lot comes
        moved[frames // 2 :], prevalence[frames // 2 :] = 0.7, 0.25
    elif shift == "drift":  # the camera's glass gets dirty
        moved = 1.0 * at / frames
    elif shift == "bursts":  # 200 of every 2,000 frames are mostly defects
        prevalence = np.where(at % 2000 < 200, 0.6, 0.03)
    defect = rng.random(frames) < prevalence
    score = rng.normal(0, 1, frames) + SEPARATION * defect + moved
    wrong = (score >= threshold) != defect
    right = rng.random(frames) >= CLOUD_ERROR
    return Stream(score, rng.normal(0, 1, frames), np.where(wrong, 1.0 * right, -1.0 * ~right))


def ours(calibration: Calibration, seen: Stream, share: float) -> Outcome:
    """Our policy on a stream, with the values that it saw."""
    policy = value_policy(calibration, TRUST, CostConfig(), Budget(share))
    asked, value = [], []
    for score, complexity in zip(seen.score.tolist(), seen.complexity.tolist(), strict=True):
        value.append(policy.value.of(complexity, score, policy.stream))
        opinion = EdgeOpinion(score, int(score >= calibration.threshold))
        asked.append(policy.route(complexity, opinion, UP, 0.0).decision == "cloud")
    values = np.array(value)
    return Outcome(np.array(asked), values > 0, values)


def window_shares(flags: Bools) -> Floats:
    """The share of flags in every window."""
    total = np.concatenate([[0], np.cumsum(flags)])
    shares: Floats = (total[WINDOW:] - total[:-WINDOW]) / WINDOW
    return shares


def least_refused(outcome: Outcome) -> float:
    """The least share of a window whose last frame was worth asking and was refused."""
    refused = (outcome.worth & ~outcome.asked)[WINDOW - 1 :]
    return float(window_shares(outcome.asked)[refused].min()) if refused.any() else math.nan


def best_fixed(outcome: Outcome, gain: Floats, share: float, *, capped: bool) -> float:
    """Loss avoided by the best fixed threshold in hindsight, its share over the run within the budget."""
    best, allowed = 0.0, max(share, float(outcome.asked.mean()))
    for quantile in 1.0 - np.geomspace(share / 20, min(1.0, 2 * share), 40):
        wanted = outcome.worth & (outcome.value >= np.quantile(outcome.value, quantile))
        asked = within_cap(wanted, share) if capped else wanted
        if asked.mean() <= allowed:
            best = max(best, float(gain[asked].sum()))
    return best


def within_cap(wanted: Bools, share: float) -> Bools:
    """The wanted frames as far as the ceiling of every window lets them, first come first served."""
    ceiling = math.floor(WINDOW * (share + TOLERANCE) + 1e-9)
    past: deque[bool] = deque([False] * WINDOW)
    asked, count = [], 0
    for want in wanted.tolist():
        count -= past.popleft()
        past.append(want and count < ceiling)
        count += past[-1]
        asked.append(past[-1])
    return np.array(asked)


def figures(shift: str, share: float, frames: int, seed: int) -> list[float]:
    """Shares worth asking, asked, most in a window, least at a refusal; loss avoided, capped and not."""
    calibration = line(np.random.default_rng(seed))
    rng = np.random.default_rng([seed, SHIFTS.index(shift)])
    seen = stream(shift, frames, calibration.threshold, rng)
    outcome = ours(calibration, seen, share)
    avoided = float(seen.gain[outcome.asked].sum())
    relative = [avoided / best_fixed(outcome, seen.gain, share, capped=capped) for capped in (True, False)]
    shares = outcome.worth.mean(), outcome.asked.mean(), window_shares(outcome.asked).max()
    return [*map(float, shares), least_refused(outcome), *relative]


def row(shift: str, share: float, found: Floats) -> str:
    """Of seeds x figures: means, and of what is a bound the worst."""
    worth, asked = found[:, :2].mean(axis=0)
    refused = found[~np.isnan(found[:, 3]), 3]
    least = f"{refused.min():.1%}" if len(refused) else "none"
    shares = [f"{s:.1%}" for s in (share, worth, asked, found[:, 2].max())]
    relative = [f"{found[:, at].mean():.2f} ({found[:, at].min():.2f})" for at in (4, 5)]
    return f"| {' | '.join([shift, *shares, least, *relative])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.05, 0.1, 0.3])
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    columns = (
        "shift", "budget", "worth asking", "asked", "most in a window", "least at a refusal",
        "of the best fixed (worst)", "without its cap (worst)",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for shift in SHIFTS:
        for share in options.budgets:
            found = [figures(shift, share, options.frames, seed) for seed in range(options.seeds)]
            print(row(shift, share, np.array(found)), flush=True)


if __name__ == "__main__":
    main()
