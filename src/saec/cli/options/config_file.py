"""The file that ``--config`` names: its sections become the defaults of a command's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from saec.errors import ConfigError
from saec.settings.section_reading import place_of, section_values
from saec.settings.setting_tree import Setting, flat_settings
from saec.settings.settings_text import line_of, read_toml, suggestion
from saec.station.setup.station_section import STATION_SECTIONS

Struct = type[msgspec.Struct]


def parameter_name(key: str) -> str:
    """The name of click's parameter for a setting, such as "cloud.batch": a name that Python can pass."""
    return key.replace(".", "__")


def default_map(
    path: Path,
    settings: Sequence[Setting],
    sections: Mapping[str, Struct],
    others: Callable[[], Mapping[str, Struct]] = dict,
    check: Callable[[str, Any], object] = lambda name, value: None,
) -> dict[str, Any]:
    """The values of a file for a command's options, by the names of its parameters.

    Paths in the file are relative to the file. Sections of other commands may stand in it, and keys of a
    section that this command does not have.

    Args:
        path: the file.
        settings: the command's settings.
        sections: the struct of each of its sections.
        others: gives the sections of all commands with their structs; asked for where the file has one of
            another command, or a key that its section does not have.
        check: is given each parameter's name and value; raises click.BadParameter where it cannot take
            the value.

    Raises:
        ConfigError: the file cannot be read; or one of its keys is not known, or its value has another type.
            The error names the line.
    """
    text, tables = read_toml(path)
    mine = {setting.key for setting in settings}
    found: dict[str, Any] = {}
    for section, table in tables.items():
        if section in sections:
            known = flat_settings(section, sections[section])
            for setting, value in section_values(
                path, text, known, table, lambda key: _section_of(key, others() or sections)
            ):
                if setting.key in mine:
                    name, taken = parameter_name(setting.key), _as_click_takes_it(value)
                    try:
                        check(name, taken)
                    except click.BadParameter as e:
                        place = place_of(path, text, setting)
                        raise ConfigError(f"{place}: {e.message}", f"correct {setting.key}") from e
                    found[name] = taken
        else:
            _check_name(path, text, section, {*sections, *STATION_SECTIONS}, others)
    return found


def _section_of(key: str, sections: Mapping[str, Struct]) -> str:
    """The first section that has a key, or ""."""
    for section, struct in sections.items():
        if any(setting.keys == (key,) for setting in flat_settings(section, struct)):
            return section
    return ""


def _check_name(
    path: Path, text: str, section: str, known: set[str], others: Callable[[], Mapping[str, Struct]]
) -> None:
    """Raise ConfigError for a section that no command has."""
    if section in known or section in (names := known | {*others()}):
        return
    place = line_of(text, [section])
    raise ConfigError(f"{path}{place}: no section [{section}]", suggestion(section, sorted(names)))


def _as_click_takes_it(value: Any) -> Any:
    """A table's names and values are those of an option that is given several times."""
    return tuple(value.items()) if isinstance(value, dict) else value
