"""The settings of a struct as a flat list: for options, for TOML files and for the page of all settings."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from saec.settings.setting_fields import Option

_ENTRY = re.compile(r"(\w+(?:, \w+)*):\s+(.*)")


class Setting(NamedTuple):
    """One setting.

    Attributes:
        section: its section in a TOML file, such as "cloud".
        keys: its key below the section, with the keys of the tables between: ("remote", "timeout_s").
        hint: its annotation, whole.
        kind: its type without marks and without None.
        range: the bounds of its value.
        default: its default; ``msgspec.NODEFAULT`` where it must be given.
        option: how it becomes an option.
        help: what its struct says of it.
    """

    section: str
    keys: tuple[str, ...]
    hint: Any
    kind: Any
    range: msgspec.Meta
    default: Any
    option: Option
    help: str

    @property
    def key(self) -> str:
        """Section and keys with dots between: "cloud.remote.timeout_s"."""
        return ".".join((self.section, *self.keys))

    @property
    def flag(self) -> str:
        """The option's name, such as "--timeout-s"; for an argument its word, such as "INPUT"."""
        name = self.keys[-1].replace("_", "-")
        if self.option.argument:
            return self.option.name or self.keys[-1].upper()
        return self.option.name or f"--{name}"

    @property
    def required(self) -> bool:
        """Whether a command needs it."""
        return self.default is msgspec.NODEFAULT


def flat_settings(section: str, struct: type[msgspec.Struct]) -> list[Setting]:
    """All settings of a section, those of structs within it included, in the order of the fields."""
    return list(_settings(section, struct, ()))


def _settings(section: str, struct: type[msgspec.Struct], above: tuple[str, ...]) -> Iterator[Setting]:
    hints = get_type_hints(struct, include_extras=True)
    words = {name: said for base in reversed(struct.__mro__) for name, said in attribute_docs(base).items()}
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        kind, marks = unwrapped(hint)
        option = _option(marks)
        if option.hidden:
            continue
        keys = (*above, field.encode_name)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _settings(section, kind, keys)
            continue
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Setting(section, keys, hint, kind, _range(marks), default, option, words.get(field.name, ""))


def unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """A hint's type without marks and without None, and its marks, the outer ones first."""
    marks: list[Any] = []
    while True:
        if get_origin(hint) is Annotated:
            marks.extend(reversed(hint.__metadata__))
            hint = hint.__origin__
            continue
        if get_origin(hint) in (Union, types.UnionType):
            others = [one for one in get_args(hint) if one is not type(None)]
            if len(others) == 1:
                hint = others[0]
                continue
        return hint, marks


def _option(marks: list[Any]) -> Option:
    """All that the marks say of the option; what an outer mark says stands."""
    said: dict[str, Any] = {}
    for mark in marks:
        if isinstance(mark, Option):
            values = {field.name: getattr(mark, field.name) for field in dataclasses.fields(Option)}
            said = {name: value for name, value in values.items() if value} | said
    return Option(**said)


def _range(marks: list[Any]) -> msgspec.Meta:
    """The bounds among the marks, those of the innermost type taken first."""
    found: dict[str, Any] = {}
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            bounds = {name: getattr(mark, name) for name in ("ge", "gt", "le", "lt", "pattern")}
            found = {name: value for name, value in bounds.items() if value is not None} | found
    return msgspec.Meta(**found)


def attribute_docs(struct: type) -> dict[str, str]:
    """What the section "Attributes" of a class' docstring says of each attribute, on one line each."""
    lines = (struct.__doc__ or "").expandtabs().splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip() == "Attributes:"]
    found: dict[str, str] = {}
    if not starts:
        return found
    names: list[str] = []
    at = starts[0] + 1
    indent = len(lines[at]) - len(lines[at].lstrip()) if at < len(lines) else 0
    for line in lines[at:]:
        deep = len(line) - len(line.lstrip())
        if not line.strip() or deep < indent:
            break
        if deep == indent and (entry := _ENTRY.match(line.strip())):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
