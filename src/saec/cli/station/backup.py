"""saec station backup and restore: a dead box brought back on another."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.station.config import CONFIG, read_config


@click.command("backup")
@CONFIG
@click.option("--with-secrets", is_flag=True, help="Copy files with tokens, passwords and keys as well.")
@click.argument("target", type=click.Path(path_type=Path))
def backup(config: Path, with_secrets: bool, target: Path) -> None:
    """Copy a station into the new folder TARGET, also while it runs.

    Lines with all versions, calibrations, settings, frames, images and verdicts. Without --with-secrets the
    files with tokens, passwords and keys are left out and named.
    """
    import time

    from saec.station.maintenance.backup_folder import make_backup
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    made = make_backup(config, read_config(config), target, now=time.time(), secrets=with_secrets)
    click.echo(f"{made.frames} frames and {made.images} images in {target}")
    for image in made.damaged:
        click.echo(f"damaged at the station already: {image}", err=True)
    for what in made.left_out:
        click.echo(f"left out, as it is secret: {what}")


@click.command("restore")
@click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the settings file is to be.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Where the data are to be, if elsewhere.")
@click.option("--force", is_flag=True, help="Move what stands in the way aside.")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(config: Path, data: Path | None, force: bool, source: Path) -> None:
    """Put the backup SOURCE back, on this box or on another; then start the station."""
    import time

    from saec.station.maintenance.backup_restore import restore_backup
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    done = restore_backup(source, config, now=time.time(), data=data, force=force)
    click.echo(f"settings in {config}, data in {done.data}")
    for path in done.moved:
        click.echo(f"moved aside: {path}")
    for image in done.damaged:
        click.echo(f"missing or damaged: {image}", err=True)
    for what in done.missing:
        click.echo(f"put back by hand, as it is secret: the file of {what}")
    if done.problem:
        click.echo(f"the settings are to be mended: {done.problem}", err=True)
    click.echo(f"saec station --config {config} --check")
