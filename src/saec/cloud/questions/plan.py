"""How a cloud is asked, from its settings and its card: the same for a model here and one elsewhere."""

from __future__ import annotations

import math

from saec.cloud.questions.ensemble import Plan
from saec.errors import ConfigError
from saec.prompts import DEFAULT, PROMPTS, V4, Prompt
from saec.settings import CloudConfig, ModelCard


def check_range(name: str, value: float | None, least: float, most: float = math.inf) -> None:
    """Refuse a setting that is out of range; None stands for the checkpoint's own.

    Raises:
        ConfigError: names the setting and its range.
    """
    if value is not None and not least <= value <= most:
        allowed = f"from {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise ConfigError(f"{name} = {value:g} is out of range", f"give {name} {allowed}")


def choose_prompt(config: CloudConfig, card: ModelCard) -> Prompt:
    """The version of the prompt: that of the settings, or the checkpoint's own, or the default.

    Where crops are shown and the model takes any number of images, the default is the version that has words
    for whole and crop in one conversation.

    Raises:
        ConfigError: there is no such version.
    """
    crops = config.spending.rule != "whole" and card.max_references is None
    version = config.prompt or card.prompt or (V4 if crops else DEFAULT).version
    if version not in PROMPTS:
        raise ConfigError(f"there is no prompt {version}", f"use one of {', '.join(PROMPTS)}")
    return PROMPTS[version]


def plan_of(config: CloudConfig, card: ModelCard, prompt: Prompt) -> Plan:
    """How questions become asks.

    Raises:
        ConfigError: crops of the hottest place beside a scoring that cannot have them, or a side below one
            token.
    """
    _check(config, card.unit)
    return Plan(
        side=card.side if config.side_px is None else config.side_px,
        references=config.references,
        together=card.max_references,
        views=card.views if config.views is None else config.views,
        crops=config.scoring == "rank",
        spending=config.spending,
        beside=prompt.beside is not None and card.max_references is None,
        most=config.tokens,
        unit=card.unit,
    )


def _check(config: CloudConfig, unit: int) -> None:
    spending = config.spending
    if spending.rule != "whole" and config.scoring != "threshold":
        raise ConfigError(
            f"the spending rule {spending.rule} cannot be used with scoring {config.scoring}",
            "use scoring threshold, or the rule whole",
        )
    for option, side in (("spending.small_px", spending.small_px), ("spending.near_px", spending.near_px)):
        if side < unit:
            raise ConfigError(f"{option} {side} is too small for this model", f"give at least {unit}")
