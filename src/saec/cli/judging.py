"""What the commands that judge images share: the options of the cloud, progress, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click
import msgspec

from saec.cli.reaching import reach, service_options
from saec.config import (
    Arithmetic,
    BudgetConfig,
    CloudConfig,
    CostConfig,
    Scoring,
    SeedConfig,
    Spend,
    Spending,
)
from saec.decoding import convert, decode
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.pipeline.loading import Cloud
    from saec.pipeline.runinfo import RunInfo
    from saec.verdict import Verdict

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=msgspec.Struct)
_CLOUD = CloudConfig()

FOLDER = click.Path(exists=True, path_type=Path)
SPLITS = click.Choice(["holdout", "train", "test", "val", "all"])


def cloud_options(function: F) -> F:
    """The cloud model and how it is loaded; ``open_cloud`` takes them."""
    options = (
        click.option(
            "--cloud",
            "model",
            default="none",
            show_default=True,
            metavar="none|small|PATH|NAME|URL",
            help="Who is asked about what the edge is not sure of: nobody, the demonstration checkpoint that "
            "ships, a checkpoint's folder, its hub name, or the service at an address (https://HOST:PORT/v1).",
        ),
        click.option(
            "--adapter", type=click.Path(path_type=Path), help="Folder of the cloud's LoRA adapter."
        ),
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
        click.option("--device", default=_CLOUD.device, show_default=True, help="auto, cpu, cuda or cuda:N."),
    )
    for option in reversed(options):
        function = option(function)
    return service_options(function)


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


def unless_given(cloud: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    """The options of the cloud with these, where the user has given none."""
    given = click.get_current_context().get_parameter_source
    return cloud | {k: v for k, v in wanted.items() if given(k) == click.core.ParameterSource.DEFAULT}


def metering_options(function: F) -> F:
    """What of the run is measured; ``metering`` takes them."""
    options = (
        click.option("--gpu", type=click.IntRange(min=0), help="GPU whose energy is metered."),
        click.option(
            "--interval",
            type=click.FloatRange(min=0, min_open=True),
            default=0.2,
            show_default=True,
            help="Seconds between samples of the meter.",
        ),
        click.option(
            "--idle",
            type=click.FloatRange(min=0),
            default=0.0,
            show_default=True,
            help="Seconds to watch the machine at rest before the run, for energy net of idle.",
        ),
        click.option(
            "--cpu-watts",
            type=(float, float),
            metavar="BUSY REST",
            help="Without a CPU energy counter: watts per working core and of the package at rest, for an "
            "estimate that is labelled so.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def metering(given: dict[str, Any]) -> Any:
    """The ``Metering`` of ``metering_options``, taken out of the given options."""
    from saec.pipeline.metering import Metering

    return Metering(**{name: given.pop(name) for name in ("gpu", "interval", "idle", "cpu_watts")})


def under_preset(preset: str | None, cloud: dict[str, Any]) -> dict[str, Any]:
    """The options of the cloud as the seed's command had them, where the user has given none."""
    if preset is None:
        return cloud
    from saec.schedule.seed import PRESETS

    seed = PRESETS[preset]
    return unless_given(cloud, batch=seed.batch, cloud_side=seed.resize, references=0)


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
    from saec.schedule.seed import PRESETS

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
    from saec.pipeline.loading import Cloud

    return Cloud(
        CloudConfig(
            model=name,
            remote=remote,
            adapter=None if adapter is None else str(adapter),
            side=cloud_side,
            tokens=cloud_tokens,
            batch=batch,
            references=references,
            prompt=prompt,
            scoring=scoring,
            views=views,
            dtype=dtype,
            device=device,
            spending=Spending(rule=spend),
        )
    )


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, so that what is under way is finished and written; the second
    ends the process at once. Every line that was written is whole either way."""
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        os.write(2, b"\nfinishing what is under way; Ctrl-C again ends at once\n")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[Verdict], None]]:
    """A progress bar on stderr with counts; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}"),
    )
    counts = {"defect": 0, "cloud": 0, "error": 0}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, found="")

        def advance(verdict: Verdict) -> None:
            counts["defect"] += verdict.label == 1
            counts["cloud"] += verdict.route is not None and verdict.route.decision == "cloud"
            counts["error"] += verdict.state == "error"
            found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            bar.update(task, advance=1, found=found)

        yield advance


def meter_line(info: RunInfo) -> str:
    """What the run took, in one line; loading and warm-up are apart, in run.json."""
    from saec.meter import Reading, energy_of, energy_per_correct_mwh

    reading = next(convert(r, Reading) for r in info.meter if r["phase"] == "run")
    energy = energy_per_correct_mwh(reading, info.counts.get("correct"))
    figures = (
        ("wall time", reading.wall_s, 2, "s"),
        ("GPU utilisation", reading.gpu_util_avg, 0, "%"),
        ("GPU power", reading.gpu_power_avg_w, 1, "W"),
        ("energy per correct decision", energy, 4, f"mWh of {' and '.join(energy_of(reading))}"),
        ("memory", reading.cpu_memory_avg_gb, 2, "GB"),
    )
    return ", ".join(
        f"{name} unknown" if value is None else f"{name} {value:.{digits}f} {unit}"
        for name, value, digits, unit in figures
    )


def tell_energy(folder: Path) -> None:
    """Where a run's energy went, in a few lines; nothing where none was measured."""
    from saec.pipeline.energy import RunEnergy
    from saec.pipeline.metering import ENERGY_FILE

    path = folder / ENERGY_FILE
    if not path.is_file():
        return
    energy = decode(path.read_bytes(), RunEnergy)
    for note in energy.notes:
        click.echo(note)
    for device in energy.devices:
        stages = ", ".join(f"{p.stage} {p.net_j:.1f}" for p in energy.parts if p.device == device.device)
        click.echo(
            f"{device.device} energy {device.total_j:.1f} J = idle {device.idle_j:.1f} + "
            f"nobody's {device.unattributed_j:.1f} + {stages}"
        )
    for route in energy.routes:
        low, high = route.gross_interval
        click.echo(f"{route.route} route: {route.gross_j:.3f} J per frame, {low:.3f} to {high:.3f}")
    if energy.link_j:
        model = f"a stated model, {1e9 * energy.link_j_per_byte:g} nJ a byte"
        click.echo(f"link: {energy.link_j:.3g} J by {model}, in no other figure")


def command_line() -> str:
    """The command as it was given, for the run's record."""
    return shlex.join(["saec", *sys.argv[1:]])
