"""The options that say who answers a frame, and what of a run's settings they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.settings import BudgetConfig, CostConfig, SeedConfig

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=msgspec.Struct)


def policy_options(function: F) -> F:
    """Who answers, how often the cloud may be asked, and what errors cost; ``scheduling`` takes them."""
    options = (
        click.option(
            "--policy",
            type=click.Choice(
                ["gate", "value", "edge", "cloud", "seed", "random", "complexity", "uncertainty"]
            ),
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
            type=click.Choice(["saec", "all-to-cloud"]),
            help="The seed's policy with all parameters of one of its commands.",
        ),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="NAME=VALUE",
            help="With --policy seed: one of its parameters, such as init_q_ratio=0.3; may be repeated.",
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
    """The fields of a run's options that say who answers; a preset means the seed's policy.

    Raises:
        ConfigError: parameters of one policy for another, or no NAME=VALUE of theirs.
    """
    from saec.research.seed.policy import PRESETS

    if preset is not None and policy not in (None, "seed"):
        raise ConfigError(f"--preset with --policy {policy}", "it is for --policy seed")
    name = "seed" if preset is not None else policy or ("gate" if budget is None else "value")
    for option, given, meant in (("--set", changes, "seed"), ("--cost", costs, "value")):
        if given and name != meant:
            raise ConfigError(f"{option} with --policy {name}", f"it is for --policy {meant}")
    return {
        "policy": name,
        "seed": _changed("--set", PRESETS[preset].policy if preset else SeedConfig(), changes),
        "costs": _changed("--cost", CostConfig(), costs),
        "budget": BudgetConfig(share=budget),
    }


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
