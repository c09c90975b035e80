"""Policies under which one side answers everything: the edge, or the cloud."""

from __future__ import annotations

from dataclasses import dataclass

from saec.schedule.policies.policy_contract import CloudState, PolicyKind, ask
from saec.types import EdgeOpinion, Route


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


EDGE = PolicyKind(
    open=lambda calibration, trust, settings: EdgeOnly(),
    reasons={"edge-only": "this policy never asks the cloud"},
    reads=("gate",),
    cloud="unasked",
    memoryless=True,
)
CLOUD = PolicyKind(
    open=lambda calibration, trust, settings: CloudOnly(),
    reasons={"cloud-only": "this policy asks the cloud about every frame"},
    reads=("gate",),
    cloud="alone",
    memoryless=True,
)
