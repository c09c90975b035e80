"""Reading the station's settings: one TOML file, checked as a whole before anything starts.

An error names the line of the file and the remedy. Paths in the file are relative to the file. The section
[cloud] is the one that a run has, so it is read as a run reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert, fault_of
from saec.errors import ConfigError
from saec.settings import CloudConfig
from saec.settings.section_reading import read_section
from saec.settings.settings_text import line_of, read_toml, split_place
from saec.station.setup.settings_checks import contradictions
from saec.station.setup.settings_remedies import remedy_at
from saec.station.setup.station_section import STATION_SECTIONS, StationSection
from saec.station.setup.station_settings import StationSettings


def read_settings(path: Path, station: StationSection | None = None) -> StationSettings:
    """Read and check a settings file; nothing is opened or started.

    Sections of other commands may stand in the file. Whoever knows them all checks their names.

    Args:
        path: the file.
        station: takes the place of the section [station], but for its name and its data folder.

    Raises:
        ConfigError: names the line of the file and the remedy.
    """
    text, tables = read_toml(path)
    plain = {section: table for section, table in tables.items() if section in STATION_SECTIONS}
    if isinstance(section := plain.setdefault("station", {}), dict):
        section.setdefault("data", str(StationSection().data))  # relative to the file, as if written there
    cloud = _cloud(path, text, plain.pop("cloud")) if "cloud" in plain else None
    try:
        settings = convert(plain, StationSettings, hook=_path(path.parent.resolve()))
    except msgspec.ValidationError as e:
        what, where = split_place(str(e))
        key = ".".join(k for k in where if isinstance(k, str)) or "the file"
        raise ConfigError(
            f"{path}{line_of(text, where)}: {fault_of(key, what)}", remedy_at(where, what, plain)
        ) from e
    if station is not None:
        named = msgspec.structs.replace(station, name=settings.station.name, data=settings.station.data)
        settings = msgspec.structs.replace(settings, station=named)
    settings = msgspec.structs.replace(settings, cloud=cloud)
    for where, what, remedy in contradictions(settings):
        raise ConfigError(f"{path}{line_of(text, where)}: {what}", remedy)
    return settings


def _cloud(path: Path, text: str, table: object) -> CloudConfig | None:
    """The section [cloud]; None where its model is "none"."""
    if isinstance(table, dict) and "model" not in table:
        raise ConfigError(
            f"{path}{line_of(text, ['cloud'])}: [cloud] has no model",
            "give the service's address, https://HOST:PORT/v1, or remove [cloud]",
        )
    cloud = read_section(path.resolve(), text, "cloud", CloudConfig, table)
    return None if cloud.model == "none" else cloud


def _path(root: Path) -> Any:
    def joined(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str) and value:
            return root / Path(value).expanduser()
        raise ValueError(f"{value!r} is not a path")

    return joined
