"""The options of a run, of what the settings ask."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.runs.run_folder import Options
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, policy_kind, presets
from saec.settings import BudgetConfig, CostConfig, GateConfig, MeterConfig, PolicyConfig, RunConfig

C = TypeVar("C", bound=msgspec.Struct)


def run_options(
    policy: PolicyConfig | None = None,
    run: RunConfig | None = None,
    meter: MeterConfig | None = None,
    *,
    resume: bool = False,
    retry_errors: bool = False,
    command: str = "",
) -> Options:
    """The options of a run; a preset means the policy that it is of.

    Args:
        policy: who answers.
        run: how frames pass the line.
        meter: what is measured.
        resume, retry_errors, command: see ``Options``.

    Raises:
        ConfigError: there is no such policy or preset; or parameters of one policy are given for another, or
            have no value in their range.
    """
    asked = policy or PolicyConfig()
    named = None if asked.preset is None else preset_policy(asked.preset)
    if named is not None and asked.policy not in (None, named):
        raise ConfigError(f"preset {asked.preset} with policy {asked.policy}", f"it is for policy {named}")
    name = named or asked.policy or (DEFAULT_POLICY if asked.budget is None else BUDGET_POLICY)
    kind = policy_kind(name)
    if asked.cost and "costs" not in kind.reads:
        raise ConfigError(f"costs with policy {name}", f"they are for policy {BUDGET_POLICY}")
    if asked.parameters and kind.parameters is None:
        raise ConfigError(f"parameters with policy {name}", "they are for a policy that has its own")
    if asked.budget is not None and not 0 < asked.budget <= 1:
        raise ConfigError(f"a budget of {asked.budget:g}", "give a share of frames above 0 and at most 1")
    own = None
    if kind.parameters is not None:
        preset = kind.parameters() if asked.preset is None else kind.presets[asked.preset].policy
        own = _changed("parameter", preset, asked.parameters)
    return Options(
        policy=name,
        gate=GateConfig(complexity=asked.complexity),
        costs=_changed("cost", CostConfig(), asked.cost),
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
        raise ConfigError(f"no preset {preset}", f"name one of {names}")
    return known[preset]


def _changed(what: str, config: C, changes: dict[str, Any]) -> C:
    """A config with the fields that were given by name."""
    unknown = sorted(set(changes) - set(config.__struct_fields__))
    if unknown:
        raise ConfigError(f"{what} {unknown[0]}: no such name", ", ".join(config.__struct_fields__))
    try:
        return convert({**msgspec.structs.asdict(config), **changes}, type(config), strict=False)
    except msgspec.ValidationError as e:
        example = next(f"{k}={v:g}" for k, v in msgspec.structs.asdict(config).items())
        raise ConfigError(f"{what}: {e}", f"give NAME=VALUE, for example {example}") from e
