"""The file that ``--config`` names: its sections become the defaults of a command's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from saec.errors import ConfigError
from saec.settings.section_reading import section_values
from saec.settings.setting_tree import Setting, flat_settings
from saec.settings.settings_text import line_of, read_toml, suggestion
from saec.station.setup.station_section import STATION_SECTIONS


def default_map(
    path: Path, settings: Sequence[Setting], sections: Mapping[str, type[msgspec.Struct]]
) -> dict[str, Any]:
    """The values of a file for a command's options, by the names of its parameters.

    Paths in the file are relative to the file. Sections of other commands may stand in it, and keys of a
    section that this command does not have.

    Args:
        path: the file.
        settings: the command's settings.
        sections: the struct of each of its sections.

    Raises:
        ConfigError: the file cannot be read; or one of its keys is not known, or its value has another type.
            The error names the line.
    """
    text, tables = read_toml(path)
    mine = {setting.key for setting in settings}
    found: dict[str, Any] = {}
    for section, table in tables.items():
        if section in sections:
            for setting, value in section_values(
                path, text, flat_settings(section, sections[section]), table
            ):
                if setting.key in mine:
                    found[setting.key.replace(".", "__")] = _as_click_takes_it(value)
        else:
            check_section_name(path, text, section)
    return found


def check_section_name(path: Path, text: str, section: str) -> None:
    """Raise ConfigError for a section that no command has."""
    if section in STATION_SECTIONS:
        return
    from saec.cli.options.all_settings import section_names

    names = section_names()
    if section not in names:
        place = line_of(text, [section])
        raise ConfigError(f"{path}{place}: no section [{section}]", suggestion(section, names))


def _as_click_takes_it(value: Any) -> Any:
    """A table's names and values are those of an option that is given several times."""
    return tuple(value.items()) if isinstance(value, dict) else value
