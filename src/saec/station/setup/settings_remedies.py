"""What to write in place of a fault of a settings file, by the types of the settings alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from msgspec import inspect

from saec.station.setup.station_settings import StationSettings

Place = Sequence[str | int]


def remedy_at(where: Place, message: str, tables: Any) -> str:
    """What to do about a value of which msgspec says what is wrong.

    Args:
        where: its keys and indices; of a key that is not known, that key too.
        message: msgspec's, without the place.
        tables: the tables of the file as they stand there.
    """
    settings = inspect.type_info(StationSettings)
    if "unknown field" in message:
        return _for_key(where, _type_at(settings, where[:-1], tables))
    found = _type_at(settings, where, tables)
    if (missing := re.search(r"missing required field `([^`]+)`", message)) is not None:
        kinds = f", one of {', '.join(tags)}" if missing[1] == "kind" and (tags := _tags(found)) else ""
        return f"add the key {missing[1]} to {_header(where)}{kinds}"
    if (choices := _choices(where, found, settings, tables)) and message.startswith("Invalid"):
        return _one_of(message, choices)
    if isinstance(found, inspect.ListType) and len(where) == 1 and message.endswith("got `object`"):
        return f"write [[{where[0]}]], for each of them"
    name = next((key for key in reversed(where) if isinstance(key, str)), "")
    return (
        f"correct `{name}`; docs/settings.md has every setting" if name else "docs/settings.md has them all"
    )


def _for_key(where: Place, section: inspect.Type | None) -> str:
    """What may stand in place of a key that its section does not have."""
    keys = [field.encode_name for field in section.fields] if isinstance(section, inspect.StructType) else []
    kind = section.tag if isinstance(section, inspect.StructType) else None
    if kind is not None:
        keys.append("kind")
    if near := difflib.get_close_matches(str(where[-1]), keys, 1):
        return f"did you mean `{near[0]}`?"
    of_kind = "" if kind is None else f" of kind {kind}"
    return f"use one of the keys of {_header(where[:-1])}{of_kind}: {', '.join(keys)}"


def _one_of(message: str, choices: Sequence[str]) -> str:
    """All that a value may be, after what is likely meant."""
    given = re.sub(r"^Invalid (enum )?value ", "", message).strip("'\"")
    near = difflib.get_close_matches(given, choices, 1, 0.7)
    listed = ", ".join(choices)
    return f"did you mean `{near[0]}`? There are: {listed}" if near else f"use one of: {listed}"


def _choices(where: Place, found: inspect.Type | None, settings: inspect.Type, tables: Any) -> list[str]:
    """The values of a choice, or the kinds of a section."""
    several = found.types if isinstance(found, inspect.UnionType) else () if found is None else (found,)
    if literals := [one for one in several if isinstance(one, inspect.LiteralType)]:
        return [str(value) for one in literals for value in one.values]
    if where and where[-1] == "kind":
        return _tags(_type_at(settings, where[:-1], tables))
    return []


def _tags(kind: inspect.Type | None) -> list[str]:
    """The kinds of a section."""
    types = kind.types if isinstance(kind, inspect.UnionType) else ()
    return [str(one.tag) for one in types if isinstance(one, inspect.StructType)]


def _type_at(kind: inspect.Type, where: Place, value: Any) -> inspect.Type | None:
    """The type of what stands at a place; None where the types know of nothing there."""
    kind = _of_value(kind, value)
    if not where:
        return kind
    key, rest = where[0], where[1:]
    inner: inspect.Type | None = None
    if isinstance(kind, inspect.StructType):
        inner = next((field.type for field in kind.fields if field.encode_name == key), None)
    elif isinstance(kind, inspect.DictType):
        inner = kind.value_type
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType):
        inner = kind.item_type
    return None if inner is None else _type_at(inner, rest, _below(value, key))


def _of_value(kind: inspect.Type, value: Any) -> inspect.Type:
    """A type without marks and without None; of a union of sections the one whose kind the value tells."""
    if isinstance(kind, inspect.Metadata):
        return _of_value(kind.type, value)
    if not isinstance(kind, inspect.UnionType):
        return kind
    types = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    if len(types) == 1:
        return _of_value(types[0], value)
    told = value.get("kind") if isinstance(value, dict) else None
    return next((one for one in types if isinstance(one, inspect.StructType) and one.tag == told), kind)


def _below(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


def _header(where: Place) -> str:
    """A section's header as the file has it."""
    name = ".".join(key for key in where if isinstance(key, str))
    return f"[[{name}]]" if where and isinstance(where[-1], int) else f"[{name}]"
