"""saec station repair: a damaged database made whole."""

from __future__ import annotations

import click

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, shell_actor


@settings_command(example=EXAMPLE)
def repair() -> None:
    """Rebuild a stopped station's damaged database.

    It is rebuilt from all that can be read of it. Images stay, and the old database is kept. A frame whose
    verdict cannot be read is judged again.

    \b
    saec station repair --config station.toml
    """
    import time

    settings = station_settings(named_file())
    from saec.station.audit.audit_log import AuditLog
    from saec.station.audit.audit_rows import Action
    from saec.station.storage.database_repair import repair_database
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    data = settings.station.data
    action = Action(actor=shell_actor(), role=ROLE, what="station.repair")
    with AuditLog(data).recorded(action):
        saved = repair_database(data, time.time())
    for table, count in saved.rows.items():
        click.echo(f"{table}: {count} rows")
    click.echo("all of it could be read" if saved.whole else "a part could not be read")
    click.echo(f"the old database lies in {saved.aside}; start the station")
