"""saec station backup and restore: a dead machine brought back on another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, shell_actor
from saec.settings.setting_fields import Argument, Everyday, ExistingFolder, Option


class BackupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [backup]: where a backup goes.

    Attributes:
        target: The folder to make.
        with_secrets: Copy files with tokens, passwords and keys as well.
    """

    target: Argument[Path]
    with_secrets: Everyday[bool] = False


class RestoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [restore]: where a backup is put back.

    Attributes:
        source: The backup.
        settings: Put the settings file here.
        data: Put the data folder here. Default: where the settings say.
        force: Rename what is there already, instead of refusing.
    """

    source: Argument[ExistingFolder]
    settings: Annotated[Path, Option(everyday=True, metavar="FILE")]
    data: Everyday[Path | None] = None
    force: Everyday[bool] = False


@settings_command(example=EXAMPLE)
def backup(backup: BackupSettings) -> None:
    """Copy a station into a new folder, also while it runs.

    TARGET gets the lines with all versions, calibrations, settings, frames, images and verdicts. Files with
    tokens, passwords and keys are left out and named, unless you give --with-secrets.

    \b
    saec station backup --config station.toml /mnt/backup/monday
    """
    import time

    path = named_file()
    settings = station_settings(path)
    from saec.station.maintenance.backup_folder import make_backup
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    made = make_backup(
        path, settings, backup.target, shell_actor(), ROLE, now=time.time(), secrets=backup.with_secrets
    )
    click.echo(f"{made.frames} frames and {made.images} images in {backup.target}")
    for image in made.damaged:
        click.echo(f"damaged at the station already: {image}", err=True)
    for what in made.left_out:
        click.echo(f"left out, as it is secret: {what}")


@settings_command()
def restore(restore: RestoreSettings) -> None:
    """Put a backup back, on this machine or another.

    Start the station afterwards. Nothing is overwritten.

    \b
    saec station restore /mnt/backup/monday --settings /etc/saec/station.toml
    """
    import time

    from saec.station.maintenance.backup_restore import restore_backup
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    done = restore_backup(
        restore.source,
        restore.settings,
        shell_actor(),
        ROLE,
        now=time.time(),
        data=restore.data,
        force=restore.force,
    )
    click.echo(f"settings in {restore.settings}, data in {done.data}")
    for path in done.moved:
        click.echo(f"renamed: {path}")
    for image in done.damaged:
        click.echo(f"missing or damaged: {image}", err=True)
    for what in done.missing:
        click.echo(f"put back by hand, as it is secret: the file of {what}")
    if done.problem:
        click.echo(f"correct the settings: {done.problem}", err=True)
    click.echo(f"check them: saec config check --config {restore.settings}")
