"""What a settings file says: its values beside the defaults, its faults, and its JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, get_origin

import click
import msgspec

from saec.cli.options.all_settings import known_settings, section_structs, settings_commands, station_sections
from saec.cli.options.config_file import default_map, parameter_name
from saec.settings.setting_tree import Setting
from saec.settings.settings_text import line_of, read_toml
from saec.station.setup.station_section import STATION_SECTIONS

_STATION = ("line", "source", "sink")
"""Lists that only a station's file has."""


def effective_toml(path: Path | None) -> str:
    """All settings as TOML: each value, and whether it is the default or where the file has it.

    Raises:
        ConfigError: the file has a fault.
    """
    settings = [known.setting for known in known_settings().values()]
    text, tables = ("", {}) if path is None else read_toml(path)
    given: dict[str, Any] = {}
    if path is not None:
        given = default_map(path, settings, section_structs(), check=_taken_by_a_command)
    lines: list[str] = []
    table = ""
    for setting in sorted(settings, key=lambda s: (s.section, s.keys[:-1])):
        above = ".".join((setting.section, *setting.keys[:-1]))
        if above != table:
            table = above
            lines += ["", f"[{table}]"]
        place = "" if path is None else line_of(text, [setting.section, *setting.keys])
        lines.append(_row(setting, given, f"{path}{place}"))
    if path is not None:
        lines.extend(_station_toml(path, tables))
    return "\n".join(lines).lstrip("\n") + "\n"


def _row(setting: Setting, given: dict[str, Any], place: str) -> str:
    name, key = parameter_name(setting.key), setting.keys[-1]
    if name in given:
        value = given[name]
        if get_origin(setting.kind) is dict:
            value = dict(value)
        return f"{key} = {toml_value(value)}  # {place}"
    if setting.required:
        return f"# {key} must be given"
    if setting.default is None:
        return f"# {key} is not set"
    return f"{key} = {toml_value(setting.default)}"


def _runs_station(tables: dict[str, Any]) -> bool:
    """Whether a file is one of a station."""
    return any(name in tables for name in _STATION)


def _station_toml(path: Path, tables: dict[str, Any]) -> Iterator[str]:
    """A station's lists, as they are effective."""
    if not _runs_station(tables):
        return
    from saec.cli.station.config import station_settings

    settings = msgspec.to_builtins(station_settings(path), enc_hook=str)
    for section, value in settings.items():
        for entry in value if isinstance(value, list) else []:
            yield from ("", f"[[{section}]]")
            for key, inner in entry.items():
                yield f"# {key} is not set" if inner is None else f"{key} = {toml_value(inner)}"


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        pairs = ((_key(name), inner) for name, inner in value.items() if inner is not None)
        return "{" + ", ".join(f"{name} = {toml_value(inner)}" for name, inner in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    text = json.dumps(str(value) if isinstance(value, PurePath) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")  # JSON takes DEL as it is, TOML does not


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def check_file(path: Path) -> list[str]:
    """Check a settings file whole; what is said of a sound one, a line each.

    Raises:
        ConfigError: names the line of the file and the remedy.
    """
    _, tables = read_toml(path)
    settings = [known.setting for known in known_settings().values()]
    runs_station = _runs_station(tables)

    def taken(name: str, value: Any) -> None:
        if not (runs_station and name.partition("__")[0] in STATION_SECTIONS):  # else as the start says it
            _taken_by_a_command(name, value)

    default_map(path, settings, section_structs(), check=taken)
    if not runs_station:
        return ["it has no [[line]], so `saec station` cannot run with it"] if "station" in tables else []
    from saec.cli.station.config import need_packages

    need_packages()
    from saec.station.startup_check import check_station

    return check_station(path)


def _taken_by_a_command(name: str, value: Any) -> None:
    """Raise click.BadParameter for a value that the option of this parameter cannot take."""
    for _, command in settings_commands():
        for parameter in command.params:
            if parameter.name == name:
                parameter.type_cast_value(click.Context(command), value)
                return


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of a settings file."""
    root: dict[str, Any] = _table()
    lists = {name: hint for name, hint in station_sections().items() if get_origin(hint) is list}
    for setting in [one.setting for one in known_settings().values()]:
        node = root
        for key in (setting.section, *setting.keys[:-1]):
            node = node["properties"].setdefault(key, _table())
        node["properties"][setting.keys[-1]] = _described(setting)
    found, parts = msgspec.json.schema_components(
        lists.values(), schema_hook=_schema_of, ref_template="#/$defs/{name}"
    )
    root["properties"] |= dict(zip(lists, found, strict=True))
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": "Settings of SAEC", **root, "$defs": parts}


def _table() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _described(setting: Setting) -> dict[str, Any]:
    found = msgspec.json.schema(setting.hint, schema_hook=_schema_of)
    found["description"] = setting.help
    if not setting.required and setting.default is not None:
        found["default"] = msgspec.to_builtins(setting.default, enc_hook=str)
    return found


def _schema_of(kind: type) -> dict[str, Any]:
    if issubclass(kind, PurePath):
        return {"type": "string"}
    raise NotImplementedError
