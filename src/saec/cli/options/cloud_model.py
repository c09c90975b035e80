"""The options of the cloud that a command asks, and the cloud that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from saec.cli.options.cloud_service import reach, service_options
from saec.errors import ConfigError
from saec.runs.requested_options import preset_policy
from saec.schedule.policies import policy_kind
from saec.settings import Arithmetic, Attention, CloudConfig, RemoteConfig, Scoring, Spend, Spending

if TYPE_CHECKING:
    from saec.frame.judges import Cloud

F = TypeVar("F", bound=Callable[..., Any])
_CLOUD = CloudConfig()


_OPTIONS = (
    click.option(
        "--cloud",
        "model",
        default="none",
        show_default=True,
        metavar="none|small|PATH|NAME|URL",
        help="Who is asked about what the edge is not sure of: nobody, the demonstration checkpoint that "
        "ships, a checkpoint's folder, its hub name, or the service at an address (https://HOST:PORT/v1).",
    ),
    click.option("--adapter", type=click.Path(path_type=Path), help="Folder of the cloud's LoRA adapter."),
    click.option(
        "--references",
        type=click.IntRange(min=0),
        default=_CLOUD.references,
        show_default=True,
        help="Good images that the cloud is shown before each frame.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=_CLOUD.batch,
        show_default=True,
        help="Frames that the cloud is asked about at once.",
    ),
    click.option(
        "--prompt",
        metavar="VERSION",
        help="Version of the prompt (v1 to v4). Default: the checkpoint's own.",
    ),
    click.option(
        "--scoring",
        type=click.Choice(get_args(Scoring)),
        default=_CLOUD.scoring,
        show_default=True,
        help="How the cloud's P(defect) is had: from the two labels' logits, from the two answers ranked "
        "over five crops, or from the label that it writes.",
    ),
    click.option(
        "--views",
        type=click.IntRange(1, 8),
        help="Flips and turns of frame and references that are averaged. Default: the checkpoint's own, "
        "mostly 1.",
    ),
    click.option("--cloud-side", type=click.IntRange(min=28), help="Side of the cloud's input, pixels."),
    click.option(
        "--cloud-tokens",
        type=click.IntRange(min=1),
        help="Visual tokens that an image may take; its side shrinks to that. Default: the side alone "
        "decides.",
    ),
    click.option(
        "--spend",
        type=click.Choice(get_args(Spend)),
        default=_CLOUD.spending.rule,
        show_default=True,
        help="What of a frame the cloud is shown: the whole, the whole small and its hottest place near, "
        "or what its complexity and anomaly map call for (docs/spending.md).",
    ),
    click.option(
        "--dtype",
        type=click.Choice(get_args(Arithmetic)),
        default=_CLOUD.dtype,
        show_default=True,
        help="The cloud's arithmetic: products in 32, 16 or 8 bits, or the language model held in 4.",
    ),
    click.option(
        "--attention",
        type=click.Choice(get_args(Attention)),
        default=_CLOUD.attention,
        show_default=True,
        help="Of transformers' own pass (--scoring rank and generate, words, LLaVA); flash needs a GPU "
        "and the package flash-attn.",
    ),
    click.option("--device", default=_CLOUD.device, show_default=True, help="auto, cpu, cuda or cuda:N."),
)


def cloud_options(function: F) -> F:
    """The cloud model and how it is loaded; ``open_cloud`` takes them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return service_options(function)


def unless_given(cloud: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    """The options of the cloud with these, where the user has given none."""
    given = click.get_current_context().get_parameter_source
    return cloud | {k: v for k, v in wanted.items() if given(k) == click.core.ParameterSource.DEFAULT}


def under_preset(preset: str | None, cloud: dict[str, Any]) -> dict[str, Any]:
    """The options of the cloud as a published command had them, where the user has given none."""
    if preset is None:
        return cloud
    command = policy_kind(preset_policy(preset)).presets[preset]
    return unless_given(cloud, batch=command.batch, cloud_side=command.resize, references=0)


def _refuse_loading(service: str, given: dict[str, str]) -> None:
    """Raise ConfigError for an option that says how a model is loaded, where a service has loaded it."""
    for option, value in given.items():
        if value != getattr(_CLOUD, option.removeprefix("--")):
            raise ConfigError(
                f"{option} {value} with the service {service}",
                "say it to `saec cloud`, which loads the model",
            )


def open_cloud(
    model: str,
    adapter: Path | None,
    references: int,
    batch: int,
    prompt: str | None,
    views: int | None,
    cloud_side: int | None,
    cloud_tokens: int | None,
    dtype: Any,
    device: str,
    attention: Attention = _CLOUD.attention,
    scoring: Scoring = _CLOUD.scoring,
    spend: Spend = _CLOUD.spending.rule,
    cloud_model: str | None = None,
    token_file: Path | None = None,
    ca_file: Path | None = None,
) -> Cloud | None:
    """The cloud of ``cloud_options``, not loaded yet; None for "none". A service is asked for its models."""
    name, remote = reach(model, cloud_model, token_file, ca_file)
    if model == "none":
        return None
    if remote is not None:
        _refuse_loading(model, {"--dtype": dtype, "--device": device, "--attention": attention})
    from saec.frame.judges import Cloud

    return Cloud(
        CloudConfig(
            model=name,
            remote=remote or RemoteConfig(),
            adapter=None if adapter is None else str(adapter),
            side_px=cloud_side,
            tokens=cloud_tokens,
            batch=batch,
            references=references,
            prompt=prompt,
            scoring=scoring,
            views=views,
            dtype=dtype,
            device=device,
            attention=attention,
            spending=Spending(rule=spend),
        )
    )
