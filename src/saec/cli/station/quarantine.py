"""saec station quarantine: frames over which a decoder or the station ended each time."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.station.config import CONFIG, read_config


@click.command("quarantine")
@CONFIG
@click.option("--release", "release", metavar="ID", help="Judge the frame with this ID again.")
def quarantine(config: Path, release: str | None) -> None:
    """List the frames in quarantine, or release one to be judged again as a new frame.

    A frame is in quarantine when its decoder, or the station, ended over it three times while nothing else
    can have been the cause. Its verdict is an error and its image is kept.
    """
    from saec.station.maintenance.quarantine_release import ask_release
    from saec.station.storage.spool_reader import SpoolReader

    data = read_config(config).station.data
    if release is not None:
        ask_release(data, release)
        click.echo(f"{release} is judged again as a new frame, at once or when the station starts")
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
