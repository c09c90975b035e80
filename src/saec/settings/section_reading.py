"""One section of a settings file: its values, checked, and the struct that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from saec.decoding import all_finite, convert, fault_of
from saec.errors import ConfigError
from saec.settings.setting_tree import Setting, flat_settings, unwrapped
from saec.settings.settings_text import line_of, remedy_for, split_place, suggestion

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
    path: Path,
    text: str,
    settings: Sequence[Setting],
    table: object,
    elsewhere: Callable[[str], str] = lambda key: "",
) -> list[tuple[Setting, Any]]:
    """The values of one section, each with its setting.

    Args:
        path, text, table: see ``read_section``.
        settings: the section's settings.
        elsewhere: gives the section that has a key which this one has not, or "".

    Raises:
        ConfigError: see ``read_section``.
    """
    found = []
    section = settings[0].section
    if not isinstance(table, dict):
        shape = "a list of tables" if isinstance(table, list) else f"{table!r}"
        raise ConfigError(
            f"{path}{line_of(text, [section])}: {section} is {shape}", f"write its keys below [{section}]"
        )
    known = {setting.keys: setting for setting in settings}
    for keys, value in _leaves(table, (), set(known)):
        setting = known.get(keys)
        if setting is None:
            place = line_of(text, [section, *keys])
            remedy = _remedy_for_key(keys, settings, elsewhere)
            raise ConfigError(f"{path}{place}: [{section}] has no key {'.'.join(keys)}", remedy)
        found.append((setting, _checked(path, text, setting, value)))
    return found


def _remedy_for_key(keys: Keys, settings: Sequence[Setting], elsewhere: Callable[[str], str]) -> str:
    """What to write in place of a key that a section lacks: its own keys come before other sections."""
    flag = f"--{keys[-1].replace('_', '-')}"
    for setting in settings:
        if flag == setting.flag and not setting.option.argument:
            return f"write it as {'.'.join(setting.keys)}: this is the key of the option {flag}"
    own = suggestion(".".join(keys), [".".join(setting.keys) for setting in settings])
    if not (other := elsewhere(keys[-1])):
        return own
    there = f"write it below [{other}]"
    return f"{own} Else {there}" if own.startswith("did you mean") else there


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


def place_of(path: Path, text: str, setting: Setting) -> str:
    """Where a setting stands, for an error: the file, its line as far as it can be found, and the key."""
    return f"{path}{line_of(text, [setting.section, *setting.keys])}: {setting.key}"


def _checked(path: Path, text: str, setting: Setting, value: Any) -> Any:
    """A value, once its type and range are right."""
    root = path.parent.resolve()
    if setting.option.kind == "new file" and value == "-":  # standard output, not a file of this name
        return Path(value)
    place = place_of(path, text, setting)
    if get_origin(setting.kind) is Literal and value not in get_args(setting.kind):
        raise ConfigError(
            f"{place} is {value!r}", f"use one of {', '.join(map(str, get_args(setting.kind)))}"
        )

    def joined(kind: type, given: object) -> object:
        if kind is Path and isinstance(given, str) and given:
            return root / Path(given).expanduser()
        raise ValueError(f"{given!r} is not a path")

    try:
        given = convert(value, setting.hint, hook=joined)
    except msgspec.ValidationError as e:
        what, _ = split_place(str(e))
        fault = fault_of(place, what)
        raise ConfigError(fault, remedy_for(setting.key, fault)) from e
    if not all_finite(given):
        raise ConfigError(f"{place} is not a finite number", f"give {setting.key} a number")
    if isinstance(given, str) and given:
        below = root / Path(given).expanduser()
        if setting.option.kind in ("file", "folder", "path"):
            return str(below)
        if setting.option.kind == "model" and below.is_dir():  # else a name: of a hub, or "small"
            return str(below)
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
