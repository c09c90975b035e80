"""The settings file that every command of a station is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli.options.settings_command import how_to_begin, settings_file
from saec.errors import ExtraError

if TYPE_CHECKING:
    from saec.station.setup.station_section import StationSection
    from saec.station.setup.station_settings import StationSettings

EXAMPLE = "saec station example"
"""What prints a settings file to begin with."""

_NEEDED = (
    "fastapi",
    "uvicorn",
    "httpx",
    "structlog",
    "paho",
    "prometheus_client",
    "tenacity",
    "cryptography",
    "argon2",
)


def station_settings(path: Path, station: StationSection | None = None) -> StationSettings:
    """The settings of a station.

    Args:
        path: the settings file.
        station: what the command line makes of its section [station].

    Raises:
        ConfigError: the file is wrong.
        ExtraError: the packages of ``saec[station]`` are not installed.
    """
    need_packages()
    from saec.station.setup.settings_file import read_settings

    return read_settings(path, station)


def need_packages() -> None:
    """Raise ExtraError where packages of ``saec[station]`` are not installed."""
    from importlib.util import find_spec

    for package in _NEEDED:
        if find_spec(package) is None:
            raise ExtraError(package, "station")


def named_file() -> Path:
    """The settings file that --config named.

    Raises:
        UsageError: none was named.
    """
    path = settings_file()
    if path is None:
        raise click.UsageError(f"Missing option '--config'. {how_to_begin(EXAMPLE)}")
    return path
