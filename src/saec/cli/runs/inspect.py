"""saec inspect: judge images and write verdicts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from saec.cli.options.cloud_model import cloud_options, open_cloud, under_preset
from saec.cli.options.inputs import FOLDER, SPLITS, command_line, interruptible, limit_option
from saec.cli.options.measurement import meter_line, metering, metering_options, tell_energy
from saec.cli.options.output_file import NewFile
from saec.cli.options.policy import policy_options, scheduling
from saec.cli.options.progress_bar import frames_bar
from saec.errors import ConfigError
from saec.settings import GateConfig, RunConfig

if TYPE_CHECKING:
    from saec.evaluation.pixel_metrics import PixelMetrics

_RUN, _GATE = RunConfig(), GateConfig()


def _print_schema(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from saec.runs.verdict_log import schema

    click.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=1).decode())
    ctx.exit()


@click.command()
@click.argument("input", type=FOLDER)
@click.option("--line", type=FOLDER, required=True, help="The line profile that `saec fit` made.")
@cloud_options
@policy_options
@click.option(
    "--complexity",
    type=float,
    default=_GATE.complexity,
    show_default=True,
    help="Scene complexity from which the cloud is asked although the edge is sure (0 is the median good).",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; default runs/LINE-TIME.")
@click.option("--csv", type=NewFile(), help="Write the verdicts as CSV as well.")
@click.option("--split", type=SPLITS, default="holdout", show_default=True, help="Of a data set.")
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@limit_option()
@click.option("--maps/--no-maps", default=_RUN.maps, show_default=True, help="Save pictures with the map.")
@click.option(
    "--explain/--no-explain", default=_RUN.explain, show_default=True, help="Words on the cloud's defects."
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out; no frame is judged twice.")
@click.option("--retry-errors", is_flag=True, help="With --resume: judge error and provisional frames again.")
@click.option(
    "--queue",
    type=click.IntRange(min=1),
    default=_RUN.queue,
    show_default=True,
    help="Decoded frames ahead of each stage.",
)
@click.option(
    "--waiting",
    type=click.IntRange(min=1),
    help="Frames that may wait for the cloud; beyond it the edge answers. Default: any number.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0.0, min_open=True),
    help="Seconds from reading a frame to its verdict; what the cloud does not answer by then, the edge "
    "answers provisionally. Default: wait for the cloud.",
)
@click.option(
    "--decoders", type=click.IntRange(1, 64), default=_RUN.decoders, show_default=True, help="Threads."
)
@metering_options
@click.option("--json-summary", is_flag=True, help="Print the run's summary as JSON.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of verdicts.jsonl and exit.",
)
def command(
    input: Path,
    line: Path,
    policy: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    budget: float | None,
    costs: tuple[str, ...],
    complexity: float,
    out: Path | None,
    csv: Path | None,
    split: Any,
    layout: str,
    limit: int | None,
    resume: bool,
    retry_errors: bool,
    json_summary: bool,
    **rest: Any,
) -> None:
    """Judge INPUT (an image, a folder or a data set) and write verdicts, pictures and run.json.

    Ctrl-C ends after what is under way; go on later with --resume. The command ends with status 1 where not
    one frame could be judged, and with 0 where some could: how many could not is said on standard error.

    \b
    saec inspect photos/ --line lines/bottle
    saec inspect mvtec/bottle --line lines/bottle --cloud small --out runs/bottle
    """
    from saec.data.input_images import limit_inputs, list_inputs
    from saec.evaluation.line_evaluation import pixel_look, pixels_for
    from saec.lines.leaks import held_out
    from saec.profile import LineProfile
    from saec.runs.run_folder import Options, run_line
    from saec.runs.run_record import VERDICTS_FILE

    if resume and out is None:
        raise ConfigError("--resume without --out", "name the run folder to go on with")
    profile = LineProfile.open(line)
    folder = out or Path("runs") / f"{profile.line.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    inputs = limit_inputs(held_out(profile, list_inputs(input, split=split, layout=layout)), limit)
    options = Options(
        **scheduling(policy, preset, changes, budget, costs),
        gate=GateConfig(complexity=complexity),
        config=RunConfig(**{name: rest.pop(name) for name in RunConfig.__struct_fields__}),
        metering=metering(rest),
        resume=resume,
        retry_errors=retry_errors,
        command=command_line(),
    )
    cloud = open_cloud(**under_preset(preset, rest))
    log = folder / VERDICTS_FILE
    pixels, before = pixels_for(inputs, log), log.stat().st_size if log.exists() else 0
    with interruptible() as stop, frames_bar(len(inputs.sources), profile.line.name) as advance:
        info = run_line(
            profile,
            inputs,
            folder,
            cloud=cloud,
            options=options,
            progress=advance,
            look=None if pixels is None else pixel_look(pixels),
            stop=stop,
        )
    new = log.stat().st_size != before  # else the figures that stand there are those of this very log
    _summarise(folder, csv, pixels, measured=new and bool(info.counts.get("labelled")))
    _tell(info, folder, as_json=json_summary)
    if not json_summary:
        tell_energy(folder)
    if stop.is_set():
        raise click.Abort
    frames, failed = info.counts.get("frames", 0), info.counts.get("error", 0)
    if failed:
        click.echo(f"{failed} of {frames} frames could not be judged; each verdict says why", err=True)
    if failed == frames:
        click.get_current_context().exit(1)


def _summarise(folder: Path, csv: Path | None, pixels: PixelMetrics | None, *, measured: bool) -> None:
    """What is made of the whole log, those verdicts included that were there before a resume."""
    from saec.evaluation.line_evaluation import metrics_with_pixels, write_metrics
    from saec.runs.run_folder import verdicts_of
    from saec.runs.verdict_log import read_verdicts, write_csv

    log = verdicts_of(folder)
    if csv is not None:
        write_csv(csv, read_verdicts(log))
    if measured:
        write_metrics(folder, metrics_with_pixels(read_verdicts(log), pixels))


def _tell(info: Any, folder: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(info))
        return
    counts = info.counts
    click.echo(
        f"{counts.get('frames', 0)} frames: {counts.get('good', 0)} good, {counts.get('defect', 0)} defect, "
        f"{counts.get('error', 0)} error; {counts.get('escalated', 0)} sent to the cloud"
    )
    if info.cross_domain:
        click.echo(f"cross-domain: {info.cross_domain}")
    if info.cloud is not None:
        click.echo(info.cloud.reason)
    if info.spent is not None:
        click.echo(info.spent.sentence())
    click.echo(meter_line(info))
    for note in info.notes:
        click.echo(f"note: {note}")
    click.echo(f"verdicts: {folder / 'verdicts.jsonl'}")
