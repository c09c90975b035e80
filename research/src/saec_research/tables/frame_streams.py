"""A line's frames as a stream, with a cloud's answers, under every policy: who is asked and what is right.

The frames pass again and again, each time in another order, until the stream is long enough for a budget
that is held over 1,000 frames. All policies see the same stream. A stated cloud answers anew at each pass, by
the model of ``saec.simulation.opinion_source``: wrong on a stated share of frames, its errors correlated
with the edge's by a stated phi; a recorded cloud gives its recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.frame.assessment import Assessment, route_frame
from saec.frame.judges import open_policy
from saec.profile import CloudTrust
from saec.schedule.calibration.trust import fused_label
from saec.schedule.policies.budget import Budget
from saec.schedule.policies.policy_contract import PolicySettings, Scheduler
from saec.schedule.policies.ranking import OraclePolicy, spend
from saec.settings import BudgetConfig
from saec.simulation.opinion_source import cloud_answers
from saec.simulation.scenario import stated_trust
from saec.types import DEFECT, UNBOUNDED, CloudState, EdgeOpinion, Route
from saec_research.seed.policy import SeedConfig, SeedPolicy
from saec_research.tables.labelled_frames import Flags, LabelledFrames

RANKED = ("value", "random", "complexity", "uncertainty", "seed", "oracle")
"""Policies with a curve: they spend a budget."""

SINGLE = ("edge", "gate", "seed-unlimited", "cloud")
"""Policies with a point: nobody tells them how much to ask."""

_UP = CloudState(link="up", queue=0, capacity=UNBOUNDED)


@dataclass(frozen=True, slots=True)
class StatedCloud:
    """A cloud that is wrong on a stated share of frames.

    Attributes:
        error: that share.
        correlation: the correlation (phi) of its errors with those of the edge's label.
    """

    error: float
    correlation: float

    def __str__(self) -> str:
        return f"stated: {self.error:.0%} errors, correlation {self.correlation:g}"


@dataclass(frozen=True, slots=True, eq=False)
class FrameStream:
    """One stream; T entries.

    Attributes:
        frames: whose they are.
        order: index of the frame at each time.
        trust: how far the cloud is trusted.
        if_edge, if_fused, if_alone, if_seed: whether the label is right when the edge decides, when the
            frame is asked about and both decide, when the cloud alone does at P = 0.5, and when it does
            at the seed's threshold.
    """

    frames: LabelledFrames
    order: NDArray[np.int64]
    trust: CloudTrust
    if_edge: Flags
    if_fused: Flags
    if_alone: Flags
    if_seed: Flags


@dataclass(frozen=True, slots=True)
class SeedWithin:
    """The seed's policy held to a budget: its own wishes, the most complex first.

    Without one it has no say over what it asks: everything that its edge does not call good goes to the
    cloud, however many frames that are (``SINGLE``: "seed-unlimited").
    """

    inner: SeedPolicy
    budget: Budget

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        wish = self.inner.route(complexity, opinion, state, now)
        assert complexity is not None  # else the seed's policy has raised
        return spend(self.budget, wish.reason, complexity, wish.decision == "cloud", state)


def make_stream(
    frames: LabelledFrames, cloud: StatedCloud | None, length: int, rng: np.random.Generator
) -> FrameStream:
    """A stream of at least ``length`` frames.

    Args:
        frames: the frames of the line.
        cloud: who answers; None is the recorded one.
        length: the least number of frames; whole passes.
        rng: draws the orders and the stated answers.
    """
    passes = -(-length // len(frames))
    order = np.concatenate([rng.permutation(len(frames)) for _ in range(passes)])
    calibration, wrong = frames.calibration, frames.edge_wrong
    if cloud is None:
        assert frames.trust is not None
        trust, answers = frames.trust, frames.answers[order]
    else:
        trust = stated_trust(calibration, cloud.error, cloud.correlation, rng)
        answers = cloud_answers(
            frames.truth[order], wrong[order], float(wrong.mean()), cloud.error, cloud.correlation, rng
        )
    truth = frames.truth[order]
    fused = [
        fused_label(calibration, trust, score, p) == DEFECT
        for score, p in zip(frames.score[order].tolist(), answers.tolist(), strict=True)
    ]
    return FrameStream(
        frames=frames,
        order=order,
        trust=trust,
        if_edge=~wrong[order],
        if_fused=np.array(fused) == truth,
        if_alone=(answers >= 0.5) == truth,
        if_seed=(answers >= SeedConfig().qwen_thr) == truth,
    )


def judge(stream: FrameStream, name: str, budget: float | None, seed: int = 0) -> tuple[Flags, Flags]:
    """Let one policy route the stream.

    Args:
        stream: the stream of frames and answers.
        name: one of ``RANKED`` with a budget, or of ``SINGLE`` without.
        seed: the seed of the policy "random".

    Returns:
        For each frame in turn whether the cloud was asked, and whether the label is right.
    """
    asked = _asked(stream, _policy(stream, name, budget, seed))
    answered = {"cloud": stream.if_alone, "seed": stream.if_seed, "seed-unlimited": stream.if_seed}
    return asked, np.where(asked, answered.get(name, stream.if_fused), stream.if_edge)


def _asked(stream: FrameStream, policy: Scheduler) -> Flags:
    opinions, odd = stream.frames.opinions(), stream.frames.complexities
    routes: Iterable[Route] = (
        route_frame(Assessment(opinions[i], odd[i]), policy, _UP, 0.0) for i in stream.order.tolist()
    )
    return np.array([route.decision == "cloud" for route in routes])


def _policy(stream: FrameStream, name: str, budget: float | None, seed: int) -> Scheduler:
    if name in ("seed", "seed-unlimited"):
        share = SeedConfig().init_q_ratio if budget is None else budget
        prepared = SeedPolicy(SeedConfig(init_q_ratio=share)).prepare(stream.frames.complexities)
        return prepared if budget is None else SeedWithin(prepared, Budget(budget))
    if name == "oracle":
        assert budget is not None
        mends: Flags = stream.if_fused & ~stream.if_edge
        return OraclePolicy(iter(mends.tolist()), Budget(budget))
    return open_policy(
        name,
        stream.frames.calibration,
        stream.trust,
        PolicySettings(budget=BudgetConfig(share=budget, seed=seed)),
    )
