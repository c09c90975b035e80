"""One section of a settings file: its values, checked, and the struct that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.settings.setting_tree import Setting, flat_settings, unwrapped
from saec.settings.settings_text import line_of, split_place, suggestion

Keys = tuple[str, ...]
S = TypeVar("S", bound=msgspec.Struct)


def read_section(path: Path, text: str, section: str, struct: type[S], table: object) -> S:
    """The struct of a section whose table stands in a file.

    Paths in the file are relative to the file.

    Args:
        path: the file.
        text: its text, in which the line of a fault is found.
        section: the section's name.
        struct: its struct.
        table: what stands in the file.

    Raises:
        ConfigError: a key is not known, or a value has another type or range. The error names the line.
    """
    values: dict[str, Any] = {}
    for setting, value in section_values(path, text, flat_settings(section, struct), table):
        within = values
        for key in setting.keys[:-1]:
            within = within.setdefault(key, {})
        within[setting.keys[-1]] = value
    return built(struct, values)


def section_values(
    path: Path, text: str, settings: Sequence[Setting], table: object
) -> list[tuple[Setting, Any]]:
    """The values of one section, each with its setting.

    Raises:
        ConfigError: see ``read_section``.
    """
    found = []
    section = settings[0].section
    known = {setting.keys: setting for setting in settings}
    for keys, value in _leaves(table, (), set(known)):
        setting = known.get(keys)
        if setting is None:
            near = suggestion(".".join(keys), [".".join(k) for k in known])
            place = line_of(text, [section, *keys])
            raise ConfigError(f"{path}{place}: [{section}] has no key {'.'.join(keys)}", near)
        found.append((setting, _checked(path, text, setting, value)))
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


def _checked(path: Path, text: str, setting: Setting, value: Any) -> Any:
    """A value, once its type and range are right."""
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
    return given


def built(struct: type[S], values: Mapping[str, Any]) -> S:
    """A struct, and those within it, of values of their types by the keys of its fields."""
    hints = get_type_hints(struct, include_extras=True)
    given = {}
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in values:
            continue
        kind, _ = unwrapped(hints[field.name])
        value = values[field.encode_name]
        nested = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        given[field.name] = built(kind, value) if nested else value
    return struct(**given)
