"""The options of a run, of what the settings ask."""

from __future__ import annotations

from saec.decoding import with_fields
from saec.errors import ConfigError
from saec.runs.run_folder import Options
from saec.schedule.policies import BUDGET_POLICY, asked_policy, policy_kind, presets
from saec.settings import BudgetConfig, CostConfig, GateConfig, MeterConfig, Policy, RunConfig


def run_options(
    policy: Policy | str | None = None,
    run: RunConfig | None = None,
    meter: MeterConfig | None = None,
    *,
    resume: bool = False,
    retry_errors: bool = False,
    command: str = "",
) -> Options:
    """The options of a run; a preset means the policy that it is of.

    Args:
        policy: who answers, or the policy's name alone.
        run: how frames pass the line.
        meter: what is measured.
        resume, retry_errors, command: see ``Options``.

    Raises:
        ConfigError: there is no such policy or preset; or parameters of one policy are given for another, or
            have no value in their range.
    """
    asked = policy if isinstance(policy, Policy) else Policy(policy=policy)
    named = None if asked.preset is None else preset_policy(asked.preset)
    if named is not None and asked.policy not in (None, named):
        raise ConfigError(
            f"preset {asked.preset} cannot be used with policy {asked.policy}",
            f"use policy {named}, or leave the policy out",
        )
    name = named or asked_policy(asked.policy, asked.budget)
    kind = policy_kind(name)
    if asked.cost and "costs" not in kind.reads:
        raise ConfigError(
            f"policy {name} takes no costs", f"leave the costs out, or use policy {BUDGET_POLICY}"
        )
    if asked.parameters and kind.parameters is None:
        raise ConfigError(f"policy {name} has no parameters of its own", "leave the parameters out")
    if asked.budget is not None and not 0 < asked.budget <= 1:
        raise ConfigError(
            f"the budget {asked.budget:g} is not above 0 and at most 1",
            "give the share of frames that may go to the cloud",
        )
    own = None
    if kind.parameters is not None:
        preset = kind.parameters() if asked.preset is None else kind.presets[asked.preset].policy
        own = with_fields(preset, asked.parameters, "parameter", strict=False)
    return Options(
        policy=name,
        gate=GateConfig(complexity=asked.complexity),
        costs=with_fields(CostConfig(), asked.cost, "cost"),
        budget=BudgetConfig(share=asked.budget),
        own=own,
        config=run or RunConfig(),
        metering=meter or MeterConfig(),
        resume=resume,
        retry_errors=retry_errors,
        command=command,
    )


def preset_policy(preset: str) -> str:
    """The policy that has the parameters of a published command.

    Raises:
        ConfigError: no installed policy has.
    """
    known = dict(presets())
    if preset not in known:
        names = ", ".join(known) or "those of saec-research (pip install saec-research)"
        raise ConfigError(f"there is no preset {preset}", f"use one of {names}")
    return known[preset]
