"""What a policy is: who answers a frame, decided at once from what is known of it; and what is known of the
policy before it is opened.

A route is a pure function of complexity, edge opinion, state of the cloud and clock, so a log replays
to the same routes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from saec.profile import Calibration, CloudTrust, LineProfile
from saec.settings import BudgetConfig, CostConfig, GateConfig
from saec.types import CloudState as CloudState
from saec.types import EdgeOpinion, Image, Route

LINK_REASONS = {
    "cloud-unasked": (
        "the cloud is not asked: on this line it is no better than chance, or adds nothing to the edge"
    ),
    "cloud-down": "the cloud cannot be asked, because the link is down: the edge's label is used",
    "cloud-busy": "the cloud cannot be asked, because its queue is full: the edge's label is used",
    "cloud-late": (
        "the cloud is not asked, because it would answer after the deadline: the edge's label is used"
    ),
}
"""The reasons that every policy gives where the cloud cannot take a frame, in words."""


class Scheduler(Protocol):
    """The scheduler's contract. Deterministic given its inputs; never blocks."""

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        """Where a frame goes and why.

        Args:
            complexity: the frame's complexity in the line's own units, None when it was not measured.
            opinion: the edge's opinion.
            state: what is known of the cloud.
            now: when the frame was taken, in seconds since the epoch.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """The settings that policies are opened with; each reads its own.

    Attributes:
        gate: when a score or a complexity is unsure.
        costs: what errors and questions cost.
        budget: the share of frames that the cloud may be asked about.
        own: the parameters of a policy that has some of its own (``PolicyKind.parameters``); None takes its
            defaults.
    """

    gate: GateConfig = field(default_factory=GateConfig)
    costs: CostConfig = field(default_factory=CostConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    own: msgspec.Struct | None = None


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A published command as data: a policy's parameters, and how it ran its cloud.

    Attributes:
        policy: the policy's own parameters.
        batch: images of one forward pass.
        resize: side of an image in pixels.
        adapter: whether a fine-tuned adapter was loaded.
        four_bit: whether the base was quantised.
        attention: the implementation that was asked for.
    """

    policy: msgspec.Struct
    batch: int
    resize: int
    adapter: bool
    four_bit: bool = False
    attention: Literal["flash2", "sdpa", "eager"] = "flash2"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPass:
    """What a policy must see of all frames before it can route the first.

    Attributes:
        complexity: the policy's own measure of an image, under its parameters.
        prepare: gives the policy that is ready, from the complexities of all frames.
        remember: plain values for run.json, from which ``reopen`` makes the ready policy again.
        reopen: makes it, under the parameters. It raises DataError where the values are not there.
    """

    complexity: Callable[[Any], Callable[[Image], float]]
    prepare: Callable[[Scheduler, Sequence[float]], Scheduler]
    remember: Callable[[Scheduler], dict[str, Any]]
    reopen: Callable[[Any, Mapping[str, Any]], Scheduler]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKind:
    """What is known of a policy before it is opened.

    Attributes:
        open: makes a fresh policy of a line's calibration, of how far its cloud is trusted, and settings.
        reasons: the words that it gives for its routes, each with its meaning.
        reads: the settings that say how it decides; run.json keeps these.
        cloud: what a cloud may do under it: "unasked", "trusted" as far as the line's calibration says, or
            "alone": it decides what it is asked.
        ranks: it ranks frames, so a budget can be spent by it; "only" where it needs one.
        shows_gate: the line's gate decides, so reports show it.
        memoryless: a route depends on its own frame alone.
        parameters: the type of its own parameters, or None.
        presets: its parameters under the names of published commands.
        cloud_threshold: P(defect) from which a cloud that decides alone says defect, by the parameters.
        line: the line under the policy's own thresholds, by the parameters; None leaves the line as it is.
            Scores then have another scale than those of the line's calibration.
        first_pass: what it must see of all frames before the first; None where it can run on a stream.
    """

    open: Callable[[Calibration, CloudTrust | None, PolicySettings], Scheduler]
    reasons: Mapping[str, str]
    reads: tuple[Literal["gate", "costs", "budget"], ...] = ()
    cloud: Literal["unasked", "trusted", "alone"] = "trusted"
    ranks: Literal["no", "yes", "only"] = "no"
    shows_gate: bool = False
    memoryless: bool = False
    parameters: type[msgspec.Struct] | None = None
    presets: Mapping[str, Preset] = field(default_factory=dict)
    cloud_threshold: Callable[[Any], float] = lambda own: 0.5
    line: Callable[[LineProfile, Any], LineProfile] | None = None
    first_pass: FirstPass | None = None

    def own(self, settings: PolicySettings) -> msgspec.Struct | None:
        """The policy's own parameters: those of the settings, or their defaults."""
        return settings.own or (self.parameters() if self.parameters is not None else None)


def ask(reason: str, state: CloudState) -> Route:
    """A route to the cloud for ``reason`` if it can take the frame; else to the edge, with the cause."""
    if state.link == "down":
        return Route("edge", "cloud-down")
    if state.queue >= state.capacity:
        return Route("edge", "cloud-down" if state.link == "probing" else "cloud-busy")
    if state.left is not None and state.wait is not None and state.wait > state.left:
        return Route("edge", "cloud-late")
    return Route("cloud", reason)
