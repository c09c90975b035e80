"""The section [policy], and the other settings that say when the cloud is asked."""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.settings.setting_fields import (
    NotNegative,
    Option,
    PositiveShare,
)


class GateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The default policy: the edge answers outside the gate, the cloud is asked inside it.

    Attributes:
        p_low, p_high: the P(defect) between which the edge is not sure, where there are labelled defects.
        tail_high, tail_low: the shares of goods that score above the gate's low and high end, where there
            are goods only.
        complexity: frames at least this complex, in the line's own units (goods have median 0 and
            interquartile range 1), are asked about even outside the gate.
    """

    p_low: float = 0.1
    p_high: float = 0.9
    tail_high: float = 0.20
    tail_low: float = 0.005
    complexity: float = 4.0


class RiskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The risk within which the edge may decide alone, where a certificate is asked for.

    Attributes:
        alpha: share of defects that it may pass.
        beta: share of goods that it may reject.
        delta: the chance, over the draw of the calibration images, that either is exceeded.
    """

    alpha: float = 0.05
    beta: float = 0.05
    delta: float = 0.1


class CostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What errors and questions cost, in one currency: by default the price of one rejected good part.

    Attributes:
        escape: cost of one defect that passes. The default, as much as an overkill, counts wrong labels.
        overkill: cost of one good part that is rejected.
        joule, byte, millisecond: cost of each joule of a question to the cloud, of each byte that it sends,
            and of each millisecond until its answer. By default a part is worth about one euro.
        question_joules, question_bytes, question_milliseconds: what one question takes.
    """

    escape: NotNegative = 1.0
    overkill: NotNegative = 1.0
    joule: NotNegative = 1e-7
    byte: NotNegative = 1e-9
    millisecond: NotNegative = 1e-6
    question_joules: NotNegative = 10.0
    question_bytes: NotNegative = 200_000.0
    question_milliseconds: NotNegative = 200.0


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How many frames the cloud may be asked about.

    Attributes:
        share: share of the frames, held in every window of 1,000; None is no cap.
        seed: seed of the policy "random".
    """

    share: float | None = None
    seed: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The section [policy]: who answers a frame, and how often the cloud may be asked.

    >>> saec.Policy(policy="value", budget=0.3, cost={"escape": 20}).budget
    0.3

    Attributes:
        policy: Who answers (docs/scheduling.md). "gate": the edge, and the cloud where the edge is not sure.
            "value": the cloud where asking pays most. "edge" or "cloud": one of them alone. Default: gate, or
            value with --budget. "random", "complexity" and "uncertainty" need --budget: it goes to random
            frames, to the most complex, or to those of which the edge is least sure. "seed" is the policy of
            a published paper, with thresholds of its own (docs/seed.md).
        budget: The share of frames that the cloud may be asked about, from 0 to 1. It holds in every window
            of 1,000 frames.
        cost: What an error or a question costs, for the policy "value". The unit is one rejected good part.
            Names are escape, overkill, joule, byte and others (docs/scheduling.md), such as escape=20. Give
            it several times for several costs.
        preset: For --policy seed: all parameters of a published command at once, such as saec or all-to-cloud
            (docs/seed.md).
        parameters: For --policy seed: one of its parameters (docs/seed.md), such as init_q_ratio=0.3. Give it
            several times for several parameters.
        complexity: From this scene complexity on, the cloud is asked although the edge is sure. The
            complexity says how much there is to see in a frame (docs/complexity.md). In the line's units,
            good images have median 0 and interquartile range 1.
    """

    policy: Annotated[str | None, Option(everyday=True, kind="policy")] = None
    budget: Annotated[PositiveShare | None, Option(everyday=True, metavar="SHARE")] = None
    cost: dict[str, float] = {}
    preset: Annotated[str | None, Option(metavar="NAME")] = None
    parameters: Annotated[dict[str, float | str], Option(name="--set")] = {}
    complexity: float = GateConfig().complexity


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a run with a deadline watches the link to its cloud; see ``saec.schedule.link.circuit_breaker``.

    Attributes:
        failures: requests in a row that fail before the link counts as down.
        cooldown: seconds until a link that is down is probed with one request; each probe that fails
            doubles them, up to ``longest``.
        slow: the link counts as slow while a request takes longer than this share of the deadline.
        timeout: seconds after which a request that is under way makes the link count as down; None is
            the deadline.
        margin: seconds before the deadline at which the edge answers for the cloud.
    """

    failures: int = 3
    cooldown: float = 1.0
    longest: float = 30.0
    slow: float = 0.5
    timeout: float | None = None
    margin: float = 0.02
