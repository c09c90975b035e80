"""The default policy: the edge answers what it is sure of, by the two thresholds of its gate."""

from __future__ import annotations

from dataclasses import dataclass

from saec.profile import Calibration, CloudTrust
from saec.schedule.policies.policy_contract import CloudState, PolicyKind, ask
from saec.settings import GateConfig
from saec.types import EdgeOpinion, Route


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The edge answers outside its gate; the cloud is asked inside it and about odd frames.

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


KIND = PolicyKind(
    open=lambda calibration, trust, settings: GatePolicy(calibration, settings.gate, trust),
    reasons={
        "sure-good": "the score is below the gate, so the edge passes the frame alone",
        "sure-defect": "the score is above the gate, so the edge rejects the frame alone",
        "unsure": "the score is inside the gate, so the cloud is asked",
        "complex": (
            "the edge is sure, but the frame is unlike the calibration's good images, so the cloud is asked"
        ),
    },
    reads=("gate",),
    shows_gate=True,
    memoryless=True,
)
