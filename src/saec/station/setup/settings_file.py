"""Reading the station's settings: one TOML file, checked as a whole before anything starts.

An error names the line of the file and the remedy. Paths in the file are relative to the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.settings.settings_text import line_of, read_toml, split_place
from saec.station.setup.settings_checks import contradictions
from saec.station.setup.station_settings import CloudSettings, LineSettings, StationSection, StationSettings
from saec.web.http_settings import HttpSettings


def read_settings(path: Path) -> StationSettings:
    """Read and check a settings file; nothing is opened or started.

    Raises:
        ConfigError: names the line of the file and the remedy.
    """
    text, plain = read_toml(path)
    if isinstance(station := plain.setdefault("station", {}), dict):
        station.setdefault("data", str(StationSection().data))  # relative to the file, as if written there
    try:
        settings = convert(plain, StationSettings, hook=_path(path.parent.resolve()))
    except msgspec.ValidationError as e:
        what, where = split_place(str(e))
        raise ConfigError(f"{path}{line_of(text, where)}: {what}", _remedy(where)) from e
    for where, what, remedy in contradictions(settings):
        raise ConfigError(f"{path}{line_of(text, where)}: {what}", remedy)
    return settings


def _path(root: Path) -> Any:
    def joined(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str) and value:
            return root / Path(value).expanduser()
        raise ValueError(f"Expected a path, got {value!r}")

    return joined


def _remedy(where: list[str | int]) -> str:
    name = next((k for k in reversed(where) if isinstance(k, str)), "")
    section = {"station": StationSection, "http": HttpSettings, "line": LineSettings, "cloud": CloudSettings}
    if where and isinstance(where[0], str) and name and (kind := section.get(where[0])) is not None:
        fields = kind.__struct_fields__
        if name not in fields:
            return f"[{where[0]}] knows {', '.join(fields)}"
    if name == "kind":
        kinds = "folder, camera or video" if where[0] == "source" else "files, webhook or mqtt"
        return f"it is {kinds}"
    return (
        f"mend `{name}`; docs/station.md lists every setting"
        if name
        else "docs/station.md lists the settings"
    )
