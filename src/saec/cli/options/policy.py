"""The options that say who answers a frame, and what of a run's settings they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.extensions import extensions
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, policy_kind, policy_names, presets
from saec.settings import BudgetConfig, CostConfig

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=msgspec.Struct)


class _PolicyChoice(click.Choice[str]):
    """The installed policies; whoever names another is told which distribution has more."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        message = super().get_invalid_choice_message(value, ctx)
        return (
            message
            if extensions("saec.policies")
            else f"{message} saec-research has more: pip install saec-research."
        )


def policy_options(function: F) -> F:
    """Who answers, how often the cloud may be asked, and what errors cost; ``scheduling`` takes them."""
    options = (
        click.option(
            "--policy",
            type=_PolicyChoice(policy_names()),
            help="Who answers: the edge and, where it is not sure (gate) or asking pays most (value), the "
            "cloud; one of them alone; or a policy to compare with (docs/scheduling.md). Default: gate, with "
            "--budget value.",
        ),
        click.option(
            "--budget",
            type=click.FloatRange(0, 1, min_open=True),
            metavar="SHARE",
            help="Share of frames that the cloud may be asked about, held in every 1,000 frames.",
        ),
        click.option(
            "--cost",
            "costs",
            multiple=True,
            metavar="NAME=VALUE",
            help="With --policy value: what an error or a question costs, as in escape=20; may be repeated.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="A policy with all parameters of a published command, such as saec or all-to-cloud "
            "(docs/seed.md).",
        ),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="NAME=VALUE",
            help="One parameter of a policy that has its own, such as init_q_ratio=0.3; may be repeated.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def scheduling(
    policy: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    budget: float | None,
    costs: tuple[str, ...],
) -> dict[str, Any]:
    """The fields of a run's options that say who answers; a preset means the policy that it is of.

    Raises:
        ConfigError: parameters of one policy for another, or no NAME=VALUE of theirs.
    """
    named = None if preset is None else preset_policy(preset)
    if named is not None and policy not in (None, named):
        raise ConfigError(f"--preset {preset} with --policy {policy}", f"it is for --policy {named}")
    name = named or policy or (DEFAULT_POLICY if budget is None else BUDGET_POLICY)
    kind = policy_kind(name)
    if costs and "costs" not in kind.reads:
        raise ConfigError(f"--cost with --policy {name}", f"it is for --policy {BUDGET_POLICY}")
    if changes and kind.parameters is None:
        raise ConfigError(f"--set with --policy {name}", "it is for a policy with parameters of its own")
    chosen: dict[str, Any] = {
        "policy": name,
        "costs": _changed("--cost", CostConfig(), costs),
        "budget": BudgetConfig(share=budget),
    }
    if kind.parameters is not None:
        own = kind.presets[preset].policy if preset is not None else kind.parameters()
        chosen["own"] = _changed("--set", own, changes)
    return chosen


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


def _changed(option: str, config: C, changes: tuple[str, ...]) -> C:
    """A config with the fields that were given as NAME=VALUE."""
    fields = dict(change.partition("=")[::2] for change in changes)
    unknown = sorted(set(fields) - set(config.__struct_fields__))
    if unknown:
        raise ConfigError(f"{option} {unknown[0]}: no such name", ", ".join(config.__struct_fields__))
    try:
        return convert({**msgspec.structs.asdict(config), **fields}, type(config), strict=False)
    except msgspec.ValidationError as e:
        example = next(f"{k}={v:g}" for k, v in msgspec.structs.asdict(config).items())
        raise ConfigError(f"{option}: {e}", f"give NAME=VALUE, for example {example}") from e
