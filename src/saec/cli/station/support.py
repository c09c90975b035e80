"""saec station support: one file for who helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.settings.setting_fields import Argument, ExistingFile, Option
from saec.station.setup.station_section import StationSection


class SupportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [support]: what is packed, and where.

    Attributes:
        target: The zip file to make.
        log: The file that the station's log goes to. Default: systemd's journal.
        station_token_file: A file with a token of the station, to pack its status and metrics as well.
    """

    target: Argument[Path]
    log: Annotated[ExistingFile | None, Option(everyday=True, metavar="FILE")] = None
    station_token_file: Annotated[ExistingFile | None, Option(everyday=True, metavar="FILE")] = None


@settings_command(example=EXAMPLE, only=("station.listen",))
def support(support: SupportSettings, station: StationSection) -> None:
    """Make a zip file for support.

    The zip file TARGET gets versions, settings, alarms, metrics, status and log. It holds no image and no
    secret: no token, no password, and of a URL neither the path nor the query string.

    \b
    saec station support --config station.toml support.zip
    """
    path, target = named_file(), support.target
    settings = station_settings(path)
    from saec.errors import ConfigError
    from saec.station.maintenance.support_bundle import pack_support
    from saec.station.storage.private_files import FilePermissions
    from saec.texts import read_secret

    reached = msgspec.structs.replace(settings.station, listen=station.listen)
    settings = msgspec.structs.replace(settings, station=reached)
    FilePermissions.close()
    own = support.station_token_file
    token = None if own is None else read_secret(own, "token")
    try:
        missing = pack_support(path, settings, target, log=support.log, token=token)
    except FileExistsError as e:
        raise ConfigError(f"{target} exists", "name another file") from e
    for sentence in missing:
        click.echo(f"not in it: {sentence}", err=True)
    click.echo(
        f"{target} holds no image and no secret that the settings name; look into it before you send it"
    )
