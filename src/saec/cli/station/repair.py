"""saec station repair: a damaged database made whole."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.station.config import CONFIG, read_config


@click.command("repair")
@CONFIG
def repair(config: Path) -> None:
    """Make the database of a stopped station anew from all that can be read of it.

    Images stay. The old database is set aside. A frame whose verdict cannot be read is judged again.
    """
    import time

    from saec.station.storage.database_repair import repair_database
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    saved = repair_database(read_config(config).station.data, time.time())
    for table, count in saved.rows.items():
        click.echo(f"{table}: {count} rows")
    click.echo("all of it could be read" if saved.whole else "a part could not be read")
    click.echo(f"the old database lies in {saved.aside}; start the station")
