"""saec inspect: judge images and write verdicts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import msgspec

from saec.cli.options.inputs import command_line, interruptible
from saec.cli.options.measurement import meter_line, tell_energy
from saec.cli.options.output_file import write_json_to
from saec.cli.options.preset_command import under_preset
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import is_on_command_line, settings_command
from saec.errors import ConfigError
from saec.settings import (
    LOCAL,
    BulkConfig,
    CloudConfig,
    DataConfig,
    Engine,
    MeterConfig,
    Policy,
    RunConfig,
    SampleConfig,
)
from saec.settings.setting_fields import Everyday, ExistingFolder, NewFile, Option
from saec.settings.setting_tree import flat_settings
from saec.settings.trace_settings import TraceConfig
from saec.types import DEFECT

LISTED = 20
"""Verdicts that are printed where no run folder is kept."""

if TYPE_CHECKING:
    from saec.evaluation.pixel_metrics import PixelMetrics
    from saec.runs.run_folder import Options
    from saec.runs.run_record import RunInfo
    from saec.types import VerdictRecord


class ArchivePath(click.Path):
    """Something that exists on this machine, or an address, which only the Ray engine reads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        return text if "://" in text else str(super().convert(value, param, ctx))


class InspectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [inspect]: what is judged, and what is kept of it.

    Attributes:
        input: An image, a folder or a data set. With --engine ray: an archive.
        line: The folder of the line that `saec fit` made.
        out: Keep the run here: verdicts, pictures and run.json. Without it only the summary is printed.
        csv: Write the verdicts to this CSV file.
        json: Write the summary to this JSON file; "-" is standard output.
        resume: Go on with the run in --out. No frame is judged twice.
        retry_errors: With --resume: judge error and provisional frames again.
        engine: "ray" judges archives with many processes or machines (docs/bulk.md). "local" is this
            process.
    """

    input: Annotated[str, Option(argument=True, kind="archive")]
    line: ExistingFolder
    out: Everyday[Path | None] = None
    csv: Everyday[NewFile | None] = None
    json: Everyday[NewFile | None] = None
    resume: Everyday[bool] = False
    retry_errors: bool = False
    engine: Engine = LOCAL


@settings_command(types={"archive": ArchivePath(exists=True)})
def command(
    inspect: InspectSettings,
    cloud: CloudConfig,
    policy: Policy,
    run: RunConfig,
    data: DataConfig,
    sample: SampleConfig,
    meter: MeterConfig,
    trace: TraceConfig,
    bulk: BulkConfig,
) -> None:
    """Judge INPUT: an image, a folder or a data set.

    With --out the verdicts are kept in a run folder. Ctrl-C ends after what is under way; go on later with
    --resume. The exit code is 1 if no frame could be judged.

    With --engine ray INPUT is an archive of any size: a folder, tar or Parquet files, or an address such as
    s3://bucket/photos.

    \b
    saec inspect photos/ --line lines/bottle --out runs/bottle
    saec inspect mvtec/bottle --line lines/bottle --cloud small --out runs/bottle
    saec inspect s3://plant/2026 --line lines/bottle --engine ray --out runs/2026
    """
    if inspect.resume and inspect.out is None:
        raise ConfigError("--resume needs --out", "name the run folder to go on with")
    asked = InspectRequest(inspect, cloud, policy, run, data, sample, meter, trace, bulk)
    if inspect.engine == "ray":
        _bulk(asked)
    else:
        _check_local(inspect)
        _local(asked)


@dataclass(frozen=True)
class InspectRequest:
    """All that the command was asked."""

    inspect: InspectSettings
    cloud: CloudConfig
    policy: Policy
    run: RunConfig
    data: DataConfig
    sample: SampleConfig
    meter: MeterConfig
    trace: TraceConfig
    bulk: BulkConfig

    def options(self) -> Options:
        from saec.runs.requested_options import run_options

        return run_options(
            self.policy,
            self.run,
            self.meter,
            resume=self.inspect.resume,
            retry_errors=self.inspect.retry_errors,
            command=command_line(),
        )


def _check_local(inspect: InspectSettings) -> None:
    """Refuse what only the Ray engine takes: addresses, files of many images, and its own options."""
    from saec.bulk.archive.containers import check_no_archive

    check_no_archive(inspect.input)
    for setting in flat_settings("bulk", BulkConfig):
        if is_on_command_line(setting.key):
            raise ConfigError(f"{setting.flag} needs --engine ray", "add --engine ray, or leave it out")


def _local(asked: InspectRequest) -> None:
    """Judge in this process."""
    from saec.data.input_images import limit_inputs, list_inputs
    from saec.evaluation.line_evaluation import pixel_look, pixels_for
    from saec.frame.requested_cloud import requested_cloud
    from saec.lines.leaks import held_out
    from saec.profile import LineProfile
    from saec.runs.run_folder import run_line
    from saec.runs.run_record import VERDICTS_FILE
    from saec.web.program.trace_export import exported_traces

    inspect = asked.inspect
    profile = LineProfile.open(inspect.line)
    inputs = list_inputs(Path(inspect.input), split=asked.sample.split, layout=asked.data.layout)
    inputs = limit_inputs(held_out(profile, inputs), asked.sample.limit)
    options = asked.options()
    cloud = requested_cloud(under_preset(asked.policy.preset, asked.cloud))
    with _run_folder(inspect.out) as folder:
        log = folder / VERDICTS_FILE
        pixels, before = pixels_for(inputs, log), log.stat().st_size if log.exists() else 0
        with (
            exported_traces(asked.trace, "saec-inspect", profile.line.name, _warn),
            interruptible() as stop,
            frames_bar(len(inputs.sources), profile.line.name) as advance,
        ):
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
        _summarise(info, folder, inspect.csv, pixels, measured=new and bool(info.counts.get("labelled")))
        _tell(info, inspect, folder)
    if stop.is_set():
        raise click.Abort
    _end(info)


def _bulk(asked: InspectRequest) -> None:
    """Judge an archive on Ray."""
    from saec.bulk.bulk_run import BulkCalls
    from saec.bulk.requested_archive import given_archive, judged_on_ray
    from saec.frame.requested_cloud import requested_cloud
    from saec.profile import LineProfile
    from saec.runs.run_folder import finished

    inspect, profile = asked.inspect, LineProfile.open(asked.inspect.line)
    if inspect.out is None:
        raise ConfigError("--engine ray needs --out", "name a folder for the run")
    if asked.trace.endpoint is not None:
        raise ConfigError("--engine ray sends no traces", "leave --trace-endpoint out")
    archive = given_archive(
        inspect.input, split=asked.sample.split, layout=asked.data.layout, limit=asked.sample.limit
    )
    options = asked.options()
    cloud = requested_cloud(under_preset(asked.policy.preset, asked.cloud))
    with interruptible() as stop, ExitStack() as shown:
        bars: list[Callable[[VerdictRecord], None]] = []
        calls = BulkCalls(
            tell=lambda text: click.echo(text, err=True),
            begin=lambda frames: bars.append(shown.enter_context(frames_bar(frames, profile.line.name))),
            stop=stop,
        )
        run = judged_on_ray(
            profile, archive, inspect.out, cloud=cloud, options=options, bulk=asked.bulk, calls=calls
        )
        info = finished(run, lambda verdict: bars[0](verdict) if bars else None)
    _summarise(info, inspect.out, inspect.csv, None, measured=False)
    _tell(info, inspect, inspect.out)
    if stop.is_set() and not info.ended:
        raise click.Abort
    _end(info)


@contextmanager
def _run_folder(out: Path | None) -> Iterator[Path]:
    """The run's folder: where the user wants it, or one that goes with the command."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="saec-run-") as folder:
        yield Path(folder)


def _warn(text: str) -> None:
    click.echo(f"traces not sent: {text}", err=True)


def _end(info: RunInfo) -> None:
    """Say how many frames have no label; the status is 1 where none has."""
    frames, failed = info.counts.get("frames", 0), info.counts.get("error", 0)
    if failed:
        click.echo(f"{failed} of {frames} frames could not be judged; each verdict says why", err=True)
    if failed == frames:
        click.get_current_context().exit(1)


def _summarise(
    info: RunInfo, folder: Path, csv: Path | None, pixels: PixelMetrics | None, *, measured: bool
) -> None:
    """What is made of the whole log, those verdicts included that were there before a resume."""
    from saec.evaluation.line_evaluation import metrics_with_pixels, write_metrics
    from saec.runs.run_folder import verdicts_of
    from saec.runs.verdict_log import read_verdicts, write_csv

    log = verdicts_of(folder)
    if csv is not None:
        write_csv(csv, read_verdicts(log))
    if measured:
        write_metrics(folder, metrics_with_pixels(read_verdicts(log), pixels, info.line.kinds))


def _tell(info: RunInfo, inspect: InspectSettings, folder: Path) -> None:
    """The summary: as JSON where it is wanted, and in words unless JSON takes standard output."""
    if inspect.json is not None:
        write_json_to(inspect.json, info)
        if str(inspect.json) == "-":
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
    if inspect.out is not None:
        click.echo(f"verdicts: {folder / 'verdicts.jsonl'}")
    else:
        _list(folder)
    tell_energy(folder)


def _list(folder: Path) -> None:
    """The first verdicts of a run that is not kept, a line each."""
    from saec.runs.run_folder import verdicts_of
    from saec.runs.verdict_log import read_verdicts

    verdicts = sorted(read_verdicts(verdicts_of(folder)), key=lambda verdict: verdict.seq)
    for verdict in verdicts[:LISTED]:
        label = "error" if verdict.label is None else ("defect" if verdict.label == DEFECT else "good")
        score = "" if verdict.score is None else f"  score {verdict.score:.3f}"
        p_defect = "" if verdict.p_defect is None else f"  P(defect) {verdict.p_defect:.3f}"
        kind = "" if verdict.kind is None else f"  {verdict.kind} {verdict.kind_confidence or 0.0:.0%}"
        click.echo(f"{label:6}{score}{p_defect}{kind}  {verdict.id}")
    if len(verdicts) > LISTED:
        click.echo(f"and {len(verdicts) - LISTED} more: keep all verdicts with --out")
