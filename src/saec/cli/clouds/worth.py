"""saec worth: what asking a cloud would add, on the user's own labelled images."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.inputs import command_line, interruptible
from saec.cli.options.output_file import write_json_to
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, DataConfig, MeterConfig, PartsConfig, SampleConfig
from saec.settings.setting_fields import (
    Argument,
    Everyday,
    ExistingFolder,
    NewFile,
    Option,
    PositiveShare,
)

if TYPE_CHECKING:
    from saec.evaluation.cloud_benefit import BenefitRow
    from saec.evaluation.cloud_trial import CloudTrial

_WIDE = 118


class WorthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [worth]: where a cloud is tried, and what is kept of it.

    Attributes:
        line: The folder of the line that `saec fit` made.
        dataset: Labelled images that did not serve to make the line.
        shares: A share of the frames that the cloud is asked about, above 0 and at most 1. Give it several
            times for several shares. Each further share makes the statistical test stricter.
        json: Write the figures to this JSON file; "-" is standard output.
        out: Keep the verdicts of edge and cloud in the run folder OUT/both.
    """

    line: Argument[ExistingFolder]
    dataset: Argument[ExistingFolder]
    shares: Annotated[tuple[PositiveShare, ...], Option(name="--share", everyday=True)] = (
        0.05, 0.1, 0.2, 0.3, 0.5, 1.0,
    )  # fmt: skip
    json: Everyday[NewFile | None] = None
    out: Everyday[Path | None] = None


@settings_command(without=("sample.limit",), only=("meter.gpu",), needs=("cloud.model",))
def command(
    worth: WorthSettings,
    cloud: CloudConfig,
    data: DataConfig,
    sample: SampleConfig,
    parts: PartsConfig,
    meter: MeterConfig,
) -> None:
    """Is it worth asking a cloud? Edge and cloud judge every labelled image of DATASET once.

    For each share of the frames, the cloud is asked about those that the edge is least sure of. Accuracy,
    missed defects (escapes) and false rejects (overkills) are compared with those of the edge alone, image by
    image. No image may have served to make LINE.

    \b
    saec worth lines/gear labelled_gears/ --cloud small
    saec worth lines/gear labelled_gears/ --cloud MODEL --share 0.2 --json worth.json
    """
    from saec.data.input_images import list_inputs
    from saec.data.parts import requested_parts
    from saec.evaluation.cloud_trial import measure_worth
    from saec.frame.requested_cloud import requested_cloud
    from saec.profile import LineProfile

    opened = requested_cloud(cloud)
    if opened is None:
        raise ConfigError(
            '`saec worth` compares the line with a cloud, but --cloud is "none"', "name a model with --cloud"
        )
    profile = LineProfile.open(worth.line)
    inputs = list_inputs(worth.dataset, split=sample.split, layout=data.layout, parts=requested_parts(parts))
    with (
        TemporaryDirectory(prefix="saec-") as scratch,
        interruptible() as stop,
        frames_bar(len(inputs.sources), profile.line.name) as advance,
    ):
        trial = measure_worth(
            profile,
            inputs,
            opened,
            worth.out or Path(scratch),
            shares=worth.shares,
            gpu=meter.gpu,
            command=command_line(),
            progress=advance,
            stop=stop,
        )
    if trial is None:
        raise click.Abort
    if str(worth.json) != "-":
        _show(trial)
    if worth.json is not None:
        write_json_to(worth.json, trial)


def _show(worth: CloudTrial) -> None:
    if worth.cross_domain:
        click.echo(f"cross-domain: {worth.cross_domain}")
    click.echo(f"{worth.n_good} good images and {worth.n_defect} defects of {worth.dataset}")
    for count, what in (
        (worth.n_error, "images with an error are in no figure"),
        (worth.n_failed, "images on which the cloud failed keep the edge's label"),
    ):
        if count:
            click.echo(f"{count} {what}")
    click.echo(worth.fusion_reason)
    if worth.rows:
        _table(worth)
    _tell_control(worth)
    for note in worth.notes:
        click.echo(note)
    click.echo(worth.conclusion.sentence)


def _table(worth: CloudTrial) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    caption = (
        "95 % intervals by paired bootstrap over parts; p by McNemar's exact test, not corrected; "
        "ms and J of the cloud per frame of the line, asked or not"
    )
    table = Table(box=box.SIMPLE_HEAD, caption=caption, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("asked", "frames", "accuracy %", "gain, points", "escapes\navoided", "overkills\navoided"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("p", "ms", "J"):
        table.add_column(title, justify="right")
    edge = worth.edge
    table.add_row("edge alone", "0", f"{100 * edge.accuracy:.1f}", "", *_of(edge.escapes, edge.overkills))
    for row in worth.rows:
        table.add_row(*_cells(row))
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    console.print(table)


def _of(escapes: int, overkills: int) -> tuple[str, str]:
    return f"of {escapes}", f"of {overkills}"


def _cells(row: BenefitRow) -> list[str]:
    low, high = row.gain_interval
    return [
        f"{100 * row.share:.3g} %",
        str(row.asked),
        f"{100 * row.accuracy:.1f}",
        f"{100 * row.gain:+.1f} ({100 * low:.1f} to {100 * high:.1f})",
        _avoided(row.escapes_avoided, row.escapes_interval),
        _avoided(row.overkills_avoided, row.overkills_interval),
        f"{row.mcnemar_p:.3f}",
        "unknown" if row.extra_ms is None else f"{row.extra_ms:.3g}",
        "unknown" if row.extra_j is None else f"{row.extra_j:.3g}",
    ]


def _avoided(count: int, interval: tuple[float, float]) -> str:
    return f"{count} ({interval[0]:.0f} to {interval[1]:.0f})"


def _tell_control(worth: CloudTrial) -> None:
    control = worth.recalibrated
    if control is None:
        return
    click.echo(
        f"for comparison, the edge alone with a threshold for accuracy from these labels (cross-fitted): "
        f"accuracy {control.accuracy:.1%}, {control.escapes} escapes, {control.overkills} overkills"
    )
