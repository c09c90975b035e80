"""saec worth: what asking a cloud would add, on the user's own labelled images."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from saec.cli.options.cloud_model import cloud_options, open_cloud
from saec.cli.options.inputs import FOLDER, SPLITS, command_line, interruptible
from saec.cli.options.output_file import NewFile
from saec.cli.options.progress_bar import frames_bar
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.evaluation.cloud_benefit import BenefitRow
    from saec.evaluation.cloud_trial import CloudTrial

_WIDE = 118


class _Shares(click.ParamType):  # type: ignore[type-arg]
    """Shares as ``0.1,0.3,1``."""

    name = "SHARES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            shares = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.1,0.3,1", param, ctx)
        if not all(0 < share <= 1 for share in shares):
            self.fail(f"{value!r}: a share is above 0 and at most 1", param, ctx)
        return shares


@click.command()
@click.argument("line", type=FOLDER)
@click.argument("dataset", type=FOLDER)
@cloud_options
@click.option("--shares", type=_Shares(), default="0.05,0.1,0.2,0.3,0.5,1", show_default=True,
              help="Shares of the frames that are asked about. The fewer, the surer the answer.")  # fmt: skip
@click.option("--json", "json_file", type=NewFile(), help="Write the figures as JSON.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Keep the run folder of both judges here (in OUT/both).")  # fmt: skip
@click.option("--split", type=SPLITS, default="holdout", show_default=True, help="Of the data set.")
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@click.option("--parts-pattern", help="Regular expression whose group is the part id in a file name.")
@click.option("--parts-csv", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Table with path and part (and lot).")  # fmt: skip
@click.option("--gpu", type=click.IntRange(min=0), help="GPU whose energy is metered.")
def command(
    line: Path,
    dataset: Path,
    shares: tuple[float, ...],
    json_file: Path | None,
    out: Path | None,
    split: Any,
    layout: str,
    parts_pattern: str | None,
    parts_csv: Path | None,
    gpu: int | None,
    **cloud: Any,
) -> None:
    """Is it worth asking a cloud? Edge and cloud judge every labelled image of DATASET once.

    For each share of the frames, those that the edge is least sure of are asked about; accuracy, escapes and
    overkills are compared with the edge's alone, image by image. No image may have served to make LINE.

    \b
    saec worth lines/gear labelled_gears/ --cloud small
    saec worth lines/gear labelled_gears/ --cloud MODEL --shares 0.2 --json worth.json
    """
    from saec.data.input_images import list_inputs
    from saec.data.parts import PartIds
    from saec.evaluation.cloud_trial import measure_worth
    from saec.profile import LineProfile, write_json

    opened = open_cloud(**cloud)
    if opened is None:
        raise ConfigError("worth without a cloud", "name one with --cloud")
    parts = PartIds(parts_pattern, parts_csv) if parts_pattern or parts_csv else None
    profile = LineProfile.open(line)
    inputs = list_inputs(dataset, split=split, layout=layout, parts=parts)
    with (
        TemporaryDirectory(prefix="saec-") as scratch,
        interruptible() as stop,
        frames_bar(len(inputs.sources), profile.line.name) as advance,
    ):
        worth = measure_worth(
            profile,
            inputs,
            opened,
            out or Path(scratch),
            shares=shares,
            gpu=gpu,
            command=command_line(),
            progress=advance,
            stop=stop,
        )
    if worth is None:
        raise click.Abort
    _show(worth)
    if json_file is not None:
        write_json(json_file, worth)


def _show(worth: CloudTrial) -> None:
    if worth.cross_domain:
        click.echo(f"cross-domain: {worth.cross_domain}")
    click.echo(f"{worth.n_good} goods and {worth.n_defect} defects of {worth.dataset}")
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
