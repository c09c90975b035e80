"""The file that ``--config`` names: its sections become the defaults of a command's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.settings.setting_tree import Setting, flat_settings
from saec.settings.settings_text import line_of, read_toml, split_place, suggestion

Keys = tuple[str, ...]


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
            values = _values(path, text, flat_settings(section, sections[section]), table)
            found |= {key.replace(".", "__"): value for key, value in values.items() if key in mine}
        else:
            check_section_name(path, text, section)
    return found


def check_section_name(path: Path, text: str, section: str) -> None:
    """Raise ConfigError for a section that no command has."""
    from saec.cli.options.all_settings import section_names

    names = section_names()
    if section not in names:
        place = line_of(text, [section])
        raise ConfigError(f"{path}{place}: no section [{section}]", suggestion(section, names))


def _values(path: Path, text: str, settings: Sequence[Setting], table: object) -> dict[str, Any]:
    """The values of one section by their keys, such as "cloud.remote.timeout_s"."""
    found = {}
    section = settings[0].section
    known = {setting.keys: setting for setting in settings}
    for keys, value in _leaves(table, (), set(known)):
        setting = known.get(keys)
        if setting is None:
            near = suggestion(".".join(keys), [".".join(k) for k in known])
            place = line_of(text, [section, *keys])
            raise ConfigError(f"{path}{place}: [{section}] has no key {'.'.join(keys)}", near)
        found[setting.key] = checked(path, text, setting, value)
    return found


def _leaves(table: object, above: Keys, known: set[Keys]) -> list[tuple[Keys, Any]]:
    """Keys and values of a section; a table that is a setting's value stays whole."""
    if not isinstance(table, dict):
        return [(above, table)]
    found: list[tuple[Keys, Any]] = []
    for key, value in table.items():
        keys = (*above, key)
        if isinstance(value, dict) and keys not in known:
            found.extend(_leaves(value, keys, known))
        else:
            found.append((keys, value))
    return found


def checked(path: Path, text: str, setting: Setting, value: Any) -> Any:
    """A value of a file as click takes it, once its type and range are right."""
    root = path.parent

    def joined(kind: type, given: object) -> object:
        if kind is Path and isinstance(given, str) and given:
            return root / Path(given).expanduser()
        raise ValueError(f"Expected a path, got {given!r}")

    try:
        given = convert(value, setting.hint, hook=joined)
    except msgspec.ValidationError as e:
        place = line_of(text, [setting.section, *setting.keys])
        what, _ = split_place(str(e))
        raise ConfigError(f"{path}{place}: {setting.key}: {what}", f"correct {setting.key}") from e
    if isinstance(given, str) and setting.option.kind in ("file", "folder", "path"):
        return str(root / Path(given).expanduser())
    return tuple(given.items()) if isinstance(given, dict) else given
