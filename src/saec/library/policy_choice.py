"""``saec.Policy``: who answers a frame; and what it means for a run."""

from __future__ import annotations

from typing import Any

import msgspec

from saec.decoding import with_fields
from saec.errors import ConfigError
from saec.runs.run_folder import Options
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, policy_kind, presets
from saec.settings import BudgetConfig, CostConfig, GateConfig, RunConfig


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers a frame, and how often the cloud may be asked.

    >>> saec.Policy(policy="value", budget=0.3, cost={"escape": 20}).budget
    0.3

    Attributes:
        policy: "gate" asks the cloud where the edge is not sure, "value" where asking pays most; "edge" and
            "cloud" answer alone (docs/scheduling.md). None is gate, or value with a budget.
        budget: the share of frames that the cloud may be asked about, held in every 1,000 frames.
        cost: what an error or a question costs, by name, for the policy "value".
        preset: all parameters of a published command, such as "saec" (docs/seed.md).
        parameters: parameters of a policy that has its own, by name.
        complexity: the scene complexity from which the cloud is asked although the edge is sure.
    """

    policy: str | None = None
    budget: float | None = None
    cost: dict[str, float] = {}
    preset: str | None = None
    parameters: dict[str, Any] = {}
    complexity: float = GateConfig().complexity


def run_options(policy: Policy | str | None = None, run: RunConfig | None = None) -> Options:
    """The options of a run under a policy.

    Args:
        policy: the policy, or its name alone; None is the default one.
        run: how the run goes.

    Raises:
        ConfigError: there is no such policy, or settings of one policy are given for another.
    """
    chosen = policy if isinstance(policy, Policy) else Policy(policy=policy)
    named = None if chosen.preset is None else _preset_policy(chosen.preset)
    if named is not None and chosen.policy not in (None, named):
        raise ConfigError(f"preset {chosen.preset} with policy {chosen.policy}", f"it is for policy {named}")
    name = named or chosen.policy or (DEFAULT_POLICY if chosen.budget is None else BUDGET_POLICY)
    kind = policy_kind(name)
    if chosen.cost and "costs" not in kind.reads:
        raise ConfigError(f"costs with policy {name}", f"they are for policy {BUDGET_POLICY}")
    if chosen.parameters and kind.parameters is None:
        raise ConfigError(f"parameters with policy {name}", "they are for a policy that has its own")
    if chosen.budget is not None and not 0 < chosen.budget <= 1:
        raise ConfigError(f"budget is {chosen.budget}", "give a share above 0, 1 at most")
    own = None
    if kind.parameters is not None:
        default = kind.parameters() if chosen.preset is None else kind.presets[chosen.preset].policy
        own = with_fields(default, chosen.parameters, "parameter", strict=False)
    return Options(
        policy=name,
        costs=with_fields(CostConfig(), chosen.cost, "cost"),
        budget=BudgetConfig(share=chosen.budget),
        gate=GateConfig(complexity=chosen.complexity),
        own=own,
        config=run or RunConfig(),
    )


def _preset_policy(preset: str) -> str:
    known = dict(presets())
    if preset not in known:
        names = ", ".join(known) or "those of saec-research (pip install saec-research)"
        raise ConfigError(f"no preset {preset}", f"name one of {names}")
    return known[preset]
