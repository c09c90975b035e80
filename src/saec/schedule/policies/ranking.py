"""Policies that rank frames and ask about the first of them within a budget: ours, and those beside it.

All go through the same ``Budget``, one frame at a time, so their shares are comparable and each can run on
a stream. Their state (the budget's window, the random draw) lives in the object: one per stream, ``route``
called in the order of the frames. The same inputs and seed give the same routes.

Policies without a rank stand in other modules and take no budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from saec.profile import Calibration, CloudTrust
from saec.schedule.policies.budget import Budget
from saec.schedule.policies.expected_value import AskingValue, value_of
from saec.schedule.policies.policy_contract import CloudState, PolicyKind, PolicySettings, ask
from saec.schedule.policies.score_drift import ScoreStream
from saec.settings import CostConfig
from saec.types import EdgeOpinion, Route

Rank = Callable[[float | None, EdgeOpinion], float]
"""From complexity and edge opinion to a rank; frames of higher rank are asked about first."""

_DECLINED = {"worthless": "not-worth-asking", "below": "below-budget", "spent": "budget-spent"}


@dataclass(frozen=True, slots=True)
class ValuePolicy:
    """Ours: ask where the expected loss saved exceeds the price, the most valuable frames first.

    Attributes:
        value: what asking is worth on the line (``value_of``).
        stream: what its scores are like now; None where the line has no P(defect) to tell it by.
        trust: how far the cloud is trusted here; one that is "unasked" is not asked.
        budget: the share of frames that may be asked about; None asks about all that are worth it.
    """

    value: AskingValue
    stream: ScoreStream | None = None
    trust: CloudTrust | None = None
    budget: Budget | None = None

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        value = self.value.of(complexity, opinion.score, self.stream)
        if self.stream is not None and math.isfinite(opinion.score):
            self.stream.see(opinion.score)
        if value > 0.0 and self.trust is not None and self.trust.mode == "unasked":
            return Route("edge", "cloud-unasked")
        return spend(self.budget, "most-valuable", value, value > 0.0, state)


@dataclass(frozen=True, slots=True)
class RankPolicy:
    """Ask about the frames of highest rank, whatever they are worth: the baselines.

    Attributes:
        rank: gives a frame's rank.
        reason: the word for frames that are asked about.
        budget: the share of frames that may be asked about.
        trust: how far the cloud is trusted, as for ours.
    """

    rank: Rank
    reason: str
    budget: Budget
    trust: CloudTrust | None = None

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        if self.trust is not None and self.trust.mode == "unasked":
            return Route("edge", "cloud-unasked")
        return spend(self.budget, self.reason, self.rank(complexity, opinion), True, state)


@dataclass(frozen=True, slots=True)
class OraclePolicy:
    """Knows the truth, for benchmarks: asks about exactly the frames that the cloud would put right.

    Attributes:
        mends: whether, for each frame in order, the edge is wrong and the cloud right.
        budget: the bound on questions, as for the others; None asks about all of them.
    """

    mends: Iterator[bool]
    budget: Budget | None = None

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        mends = next(self.mends)
        return spend(self.budget, "oracle", float(mends), mends, state)


def value_policy(
    calibration: Calibration, trust: CloudTrust | None, costs: CostConfig, budget: Budget | None
) -> ValuePolicy:
    """Ours on a line with a cloud."""
    stream = ScoreStream(calibration) if calibration.p_defect is not None else None
    return ValuePolicy(value_of(calibration, trust, costs), stream, trust, budget)


def random_policy(budget: Budget, trust: CloudTrust | None = None, *, seed: int = 0) -> RankPolicy:
    """Frames drawn at random."""
    draw = np.random.default_rng(seed)
    return RankPolicy(lambda complexity, opinion: float(draw.random()), "drawn", budget, trust)


def complexity_policy(budget: Budget, trust: CloudTrust | None = None) -> RankPolicy:
    """The most complex frames; one whose complexity was not measured comes last."""

    def rank(complexity: float | None, opinion: EdgeOpinion) -> float:
        return -math.inf if complexity is None else complexity

    return RankPolicy(rank, "most-complex", budget, trust)


def uncertainty_policy(budget: Budget, trust: CloudTrust | None = None, *, threshold: float) -> RankPolicy:
    """The frames whose score is closest to the line's threshold."""

    def rank(complexity: float | None, opinion: EdgeOpinion) -> float:
        return -abs(opinion.score - threshold)

    return RankPolicy(rank, "most-unsure", budget, trust)


def spend(budget: Budget | None, reason: str, value: float, worth: bool, state: CloudState) -> Route:
    """The route of a frame of some value: to the cloud within the budget, as far as it can take the frame."""
    route = ask(reason, state)
    if budget is None:
        return route if worth else Route("edge", "not-worth-asking")
    answer = budget.decide(value, worth=worth, up=route.decision == "cloud")
    return route if answer == "ask" else Route("edge", _DECLINED[answer])


def _budget(settings: PolicySettings) -> Budget | None:
    return None if settings.budget.share is None else Budget(settings.budget.share)


def _given(settings: PolicySettings) -> Budget:
    """The budget of a policy that cannot do without (``ranks`` is "only", so whoever opens it has looked)."""
    budget = _budget(settings)
    if budget is None:
        raise AssertionError("this policy was opened without the budget that it needs")
    return budget


_SPENT = {
    "not-worth-asking": "asking is expected to cost more than it saves: the edge's label is used",
    "below-budget": "asking would pay, but the budget goes to other frames: the edge's label is used",
    "budget-spent": (
        "asking would pay, but the budget of the last 1,000 frames is spent: the edge's label is used"
    ),
}
VALUE = PolicyKind(
    open=lambda calibration, trust, settings: value_policy(
        calibration, trust, settings.costs, _budget(settings)
    ),
    reasons={
        "most-valuable": "asking is expected to save more than it costs, so the cloud is asked",
        **_SPENT,
    },
    reads=("costs", "budget"),
    ranks="yes",
)
RANDOM = PolicyKind(
    open=lambda calibration, trust, settings: random_policy(
        _given(settings), trust, seed=settings.budget.seed
    ),
    reasons={"drawn": "drawn at random within the budget, so the cloud is asked", **_SPENT},
    reads=("costs", "budget"),
    ranks="only",
)
COMPLEXITY = PolicyKind(
    open=lambda calibration, trust, settings: complexity_policy(_given(settings), trust),
    reasons={
        "most-complex": "among the most complex frames within the budget, so the cloud is asked",
        **_SPENT,
    },
    reads=("costs", "budget"),
    ranks="only",
)
UNCERTAINTY = PolicyKind(
    open=lambda calibration, trust, settings: uncertainty_policy(
        _given(settings), trust, threshold=calibration.threshold
    ),
    reasons={
        "most-unsure": "among the scores closest to the threshold within the budget, so the cloud is asked",
        **_SPENT,
    },
    reads=("costs", "budget"),
    ranks="only",
)
ORACLE_REASONS = {
    "oracle": "the edge is wrong and the cloud right, as only a benchmark can know, so the cloud is asked"
}
