"""saec report: one HTML page of a run, or of several."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.options.output_file import NewFile
from saec.report import write_report


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--out", type=NewFile(), help="The file  [default: RUN/report.html]")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(runs: tuple[Path, ...], out: Path | None, show: bool) -> None:
    """Make one self-contained HTML page of a run folder.

    Several RUNs, such as those of all categories of a data set, give one page: a table over all, then
    each in turn. The page holds its pictures and refers to no other file.
    """
    path = write_report(*runs, out=out)
    click.echo(path)
    if show:
        click.launch(str(path.absolute()))
