"""When to ask the cloud: our policies. A policy never blocks and never waits; it answers at once.

A route is a pure function of complexity, edge opinion, state of the cloud and clock, so a log replays
to the same routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from saec.profile import Calibration, CloudTrust
from saec.settings import GateConfig
from saec.types import CloudState as CloudState
from saec.types import EdgeOpinion, Route

REASONS = {
    "sure-good": "the score is below the gate: the edge passes it alone",
    "sure-defect": "the score is above the gate: the edge rejects it alone",
    "unsure": "the score is inside the gate: the cloud is asked",
    "complex": "the edge is sure, but the frame is unlike the goods it was calibrated on: the cloud is asked",
    "cloud-unasked": "the cloud would be asked, but on this line it is no better than chance or no help",
    "cloud-down": "the cloud would be asked, but the link is down: the edge's label stands",
    "cloud-busy": "the cloud would be asked, but its queue is full: the edge's label stands",
    "cloud-late": "the cloud would be asked, but is not expected to answer by the deadline: the edge's label "
    "stands",
    "edge-only": "the policy asks the cloud about nothing",
    "cloud-only": "the policy asks the cloud about everything",
    "seed-simple-good": "the seed's edge rule says good: it is kept",
    "seed-not-kept": "the seed's edge rule does not say good: the cloud is asked",
    "seed-complex": "among the share of frames of highest complexity: the cloud is asked",
    "most-valuable": "the answer is expected to save more than it costs: the cloud is asked",
    "drawn": "drawn at random within the budget: the cloud is asked",
    "most-complex": "among the most complex frames within the budget: the cloud is asked",
    "most-unsure": "among the scores closest to the threshold within the budget: the cloud is asked",
    "oracle": "the edge is wrong and the cloud right, which only a benchmark can know: the cloud is asked",
    "not-worth-asking": "the answer is expected to save less than it costs: the edge's label stands",
    "below-budget": "worth asking, but the budget goes to frames worth more: the edge's label stands",
    "budget-spent": "worth asking, but the budget of the last 1,000 frames is spent: the edge's label stands",
}
"""Every reason that a policy of this room gives, in words."""


class Policy(Protocol):
    """The scheduler's contract. Deterministic given its inputs; never blocks."""

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        """Where a frame goes and why.

        Args:
            complexity: in the line's own units, None when it was not measured.
            opinion: the edge's.
            state: the cloud's.
            now: seconds since the epoch.
        """
        ...


@dataclass(frozen=True, slots=True)
class EdgeOnly:
    """The edge answers everything."""

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        return Route("edge", "edge-only")


@dataclass(frozen=True, slots=True)
class CloudOnly:
    """The cloud is asked about everything, as far as it can take it."""

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        return ask("cloud-only", state)


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Our default: the edge answers outside its gate, the cloud is asked inside it and about odd frames.

    Attributes:
        calibration: the line's; its gate is in scores and stands for P(defect) or tails of goods.
        config: the complexity from which a frame is asked about whatever its score.
        trust: how far the cloud is trusted here; one that is "unasked" is not asked. None (nothing is
            known) asks as "advisory" does: the opinion can be shown, and what it may change is not
            decided here.
    """

    calibration: Calibration
    config: GateConfig
    trust: CloudTrust | None = None

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        reason = self._reason(complexity, opinion.score)
        if reason in ("sure-good", "sure-defect"):
            return Route("edge", reason)
        if self.trust is not None and self.trust.mode == "unasked":
            return Route("edge", "cloud-unasked")
        return ask(reason, state)

    def _reason(self, complexity: float | None, score: float) -> str:
        gate = self.calibration.gate
        # Written so that a NaN, which is below and above nothing, is asked about.
        if not (score < gate.low or score > gate.high):
            return "unsure"
        if complexity is not None and not complexity < self.config.complexity:
            return "complex"
        return "sure-good" if score < gate.low else "sure-defect"


def ask(reason: str, state: CloudState) -> Route:
    """To the cloud for ``reason`` where the cloud can take the frame, else to the edge, saying why."""
    if state.link == "down":
        return Route("edge", "cloud-down")
    if state.queue >= state.capacity:
        return Route("edge", "cloud-down" if state.link == "probing" else "cloud-busy")
    if state.left is not None and state.wait is not None and state.wait > state.left:
        return Route("edge", "cloud-late")
    return Route("cloud", reason)
