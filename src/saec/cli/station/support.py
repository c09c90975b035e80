"""saec station support: one file for who helps."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.station.config import CONFIG, read_config


@click.command("support")
@CONFIG
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that the station's log goes to; by default systemd's journal is asked.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a token of the station, to have its status and metrics.",
)
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), default="saec-support.zip")
def support(config: Path, log: Path | None, token_file: Path | None, target: Path) -> None:
    """Pack versions, settings, alarms, metrics, status and log into the zip file TARGET.

    No image goes in, and no secret: no token, no password, no path or query of an address.
    """
    from saec.errors import ConfigError
    from saec.station.maintenance.support_bundle import pack_support
    from saec.station.storage.private_files import FilePermissions
    from saec.texts import read_secret

    FilePermissions.close()
    token = None if token_file is None else read_secret(token_file, "token")
    settings = read_config(config)
    try:
        missing = pack_support(config, settings, target, log=log, token=token)
    except FileExistsError as e:
        raise ConfigError(f"{target} exists", "name another file") from e
    for sentence in missing:
        click.echo(f"not in it: {sentence}", err=True)
    click.echo(
        f"{target} holds no image and no secret that the settings name; look into it before you send it"
    )
