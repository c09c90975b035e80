"""saec station quarantine: frames over which a decoder or the station ended each time."""

from __future__ import annotations

from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.settings.setting_fields import Option


class QuarantineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [quarantine]: which frame is released.

    Attributes:
        release: Judge the frame with this id again, as a new frame.
    """

    release: Annotated[str | None, Option(everyday=True, metavar="ID")] = None


@settings_command(example=EXAMPLE)
def quarantine(quarantine: QuarantineSettings, action: ActionSettings) -> None:
    """List or release frames at which a program crashed.

    A frame is in quarantine if its decoder or the station crashed three times while working on it, and on
    nothing else. Its verdict is an error, and its image is kept.

    \b
    saec station quarantine --config station.toml
    saec station quarantine --config station.toml --release leather-0000000003
    """
    data = station_settings(named_file()).station.data
    from saec.station.maintenance.quarantine_release import ask_release
    from saec.station.storage.spool_reader import SpoolReader

    if quarantine.release is not None:
        ask_release(data, audit_of(data), shell_actor(), ROLE, quarantine.release, action.reason)
        click.echo(f"{quarantine.release} is judged again as a new frame, at once or when the station starts")
        return
    reader = SpoolReader.beside(data)
    try:
        held = reader.quarantine()
    finally:
        reader.close()
    for frame, why in held:
        click.echo(f"{frame.id}  from {frame.source}  {data / frame.image if frame.image else 'no image'}")
        click.echo(f"    {why}")
    if not held:
        click.echo("nothing is in quarantine")
