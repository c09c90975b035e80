"""Reading the station's settings: one TOML file, checked as a whole before anything starts.

An error names the line of the file and the remedy. Paths in the file are relative to the file.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.station.setup.settings_checks import contradictions
from saec.station.setup.station_settings import CloudSettings, LineSettings, StationSection, StationSettings
from saec.texts import read_text
from saec.web.http_settings import HttpSettings


def read_settings(path: Path) -> StationSettings:
    """Read and check a settings file; nothing is opened or started.

    Raises:
        ConfigError: names the line of the file and the remedy.
    """
    text = read_text(path, remedy="give a TOML file in UTF-8")
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path}: {e}", "mend the TOML there") from e
    if isinstance(station := plain.setdefault("station", {}), dict):
        station.setdefault("data", str(StationSection().data))  # relative to the file, as if written there
    try:
        settings = convert(plain, StationSettings, hook=_path(path.parent.resolve()))
    except msgspec.ValidationError as e:
        what, where = _split(str(e))
        raise ConfigError(f"{path}{_line_of(text, where)}: {what}", _remedy(where)) from e
    for where, what, remedy in contradictions(settings):
        raise ConfigError(f"{path}{_line_of(text, where)}: {what}", remedy)
    return settings


def _path(root: Path) -> Any:
    def joined(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str) and value:
            return root / Path(value).expanduser()
        raise ValueError(f"Expected a path, got {value!r}")

    return joined


def _split(message: str) -> tuple[str, list[str | int]]:
    """msgspec's message without the place, and the place as keys and indices."""
    what, _, where = message.rpartition(" - at `$")
    if not what:
        return message, []
    keys: list[str | int] = []
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", where):
        keys.append(name or int(index))
    if (unknown := re.search(r"unknown field `([^`]+)`", what)) is not None:
        keys.append(unknown[1])
    return what, keys


def _line_of(text: str, where: list[str | int]) -> str:
    """ " line N" of the place, as far as it can be found: the section's header, then the key below it."""
    if not where or not isinstance(where[0], str):
        return ""
    section = re.escape(where[0])
    nth = next((k for k in where[1:2] if isinstance(k, int)), 0)
    lines = text.splitlines()
    headers = [i for i, line in enumerate(lines) if re.match(rf"\s*\[+\s*{section}\s*\]+", line)]
    if nth >= len(headers):
        return ""
    found = headers[nth]
    name = next((k for k in reversed(where) if isinstance(k, str)), where[0])
    for i in range(found + 1, len(lines)):
        if re.match(r"\s*\[", lines[i]) and not re.match(rf"\s*\[+\s*{section}\.", lines[i]):
            break
        if re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[.=]", lines[i]):
            found = i
            break
    return f" line {found + 1}"


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
