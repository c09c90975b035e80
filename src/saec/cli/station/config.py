"""The settings file that every command of a station is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.errors import ExtraError

if TYPE_CHECKING:
    from saec.station.setup.station_settings import StationSettings

_NEEDED = (
    "fastapi",
    "uvicorn",
    "httpx",
    "structlog",
    "paho",
    "prometheus_client",
    "tenacity",
    "cryptography",
)
CONFIG = click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The settings file (docs/station.md).",
)


def read_config(config: Path) -> StationSettings:
    """The settings of a station; says which extra is missing."""
    from importlib.util import find_spec

    for package in _NEEDED:
        if find_spec(package) is None:
            raise ExtraError(package, "station")
    from saec.station.setup.settings_file import read_settings

    return read_settings(config)
