"""saec audit: a recorded verdict, judged again."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.station.config import CONFIG, read_config


@click.group()
def command() -> None:
    """Look at what a station has recorded."""


@command.command("replay")
@click.argument("id")
@CONFIG
@click.pass_context
def replay_(ctx: click.Context, id: str, config: Path) -> None:
    """Judge frame ID again by the version that judged it and hold the result against the record.

    The station may be running; nothing is changed. Exit status 1 where anything differs.

    \b
    saec audit replay bottle-0000000042 --config station.toml
    """
    from rich.console import Console
    from rich.table import Table

    from saec.station.maintenance.frame_audit import audit_frame

    checks = audit_frame(read_config(config), id)
    table = Table("", "recorded", "again", "", box=None)
    for check in checks:
        mark = {True: "same", False: "DIFFERS", None: "-"}[check.same]
        table.add_row(check.what, check.recorded, check.again, mark)
    Console().print(table)
    ctx.exit(int(any(check.same is False for check in checks)))
