"""saec report: one HTML page of a run, or of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.output_file import STANDARD_OUTPUT
from saec.cli.options.settings_command import settings_command
from saec.settings.setting_fields import Everyday, NewFile, Option


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [report]: which runs are shown, and where.

    Attributes:
        runs: One run folder or several.
        out: The HTML file; "-" is standard output. Default: report.html in the first run folder.
        open: Open the page in the browser.
    """

    runs: Annotated[tuple[Path, ...], Option(name="RUN", argument=True)]
    out: Everyday[NewFile | None] = None
    open: Everyday[bool] = False


@settings_command()
def command(report: ReportSettings) -> None:
    """Make one HTML page of each RUN folder.

    Several runs, such as those of all categories of a data set, give one page: a table over all, then each
    run in turn. The page holds its pictures and refers to no other file.

    \b
    saec report runs/bottle --open
    saec report runs/*/ --out all.html
    """
    from saec.report.page import render, write_report
    from saec.report.run_page import open_run

    if report.out == STANDARD_OUTPUT:
        click.echo(render([open_run(run) for run in report.runs]), nl=False)
        return
    path = write_report(*report.runs, out=report.out)
    click.echo(path)
    if report.open:
        click.launch(str(path.absolute()))
