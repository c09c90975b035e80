"""Reading values as types; the only place of the package where msgspec is given a type to read.

msgspec learns what a type is made of when it meets the type first, and notes it at the type before it has
learnt all of it. A thread that reads a value of the type meanwhile finds half of the note, and the process
ends by signal 11 (seen with msgspec 0.22). So a type is learnt here under one lock, by whichever thread needs
it first; the others wait for it, and later reads take no lock. Nobody has to remember a new type.
Writing needs no such note.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from saec.errors import ConfigError

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS = {">=": "of at least", ">": "above", "<=": "of at most", "<": "below"}

T = TypeVar("T")
C = TypeVar("C", bound=msgspec.Struct)
Hook = Callable[[type, Any], Any]
"""Makes a value of a type that JSON does not know, such as a path."""

_learning = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


@overload
def decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The reader of JSON as a type; one for all threads."""
    found = _decoders.get(kind)
    if found is None:
        with _learning:
            found = _decoders.get(kind)
            if found is None:
                found = _decoders[kind] = msgspec.json.Decoder(kind)
    return found


@overload
def decode(data: bytes | str, kind: type[T], *, hook: Hook | None = None) -> T: ...
@overload
def decode(data: bytes | str, kind: Any, *, hook: Hook | None = None) -> Any: ...
def decode(data: bytes | str, kind: Any, *, hook: Hook | None = None) -> Any:
    """Read JSON as a type.

    Raises:
        msgspec.DecodeError: it is no JSON, or not of the type.
    """
    learnt = decoder(kind)
    if hook is None:
        return learnt.decode(data)
    return msgspec.json.decode(data, type=kind, dec_hook=hook)


@overload
def convert(value: Any, kind: type[T], *, strict: bool = True, hook: Hook | None = None) -> T: ...
@overload
def convert(value: Any, kind: Any, *, strict: bool = True, hook: Hook | None = None) -> Any: ...
def convert(value: Any, kind: Any, *, strict: bool = True, hook: Hook | None = None) -> Any:
    """Read plain values (dicts, lists, numbers, texts) as a type; not strict reads texts as numbers too.

    Raises:
        msgspec.ValidationError: it is not of the type.
    """
    decoder(kind)
    return msgspec.convert(value, kind, strict=strict, dec_hook=hook)


def all_finite(value: Any) -> bool:
    """Whether no number of a value, or of what is in it, is infinite or NaN."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(all_finite, value))


def with_fields(config: C, fields: Mapping[str, Any], what: str = "setting", *, strict: bool = True) -> C:
    """The settings with these fields in place of its own.

    >>> from saec.settings import CostConfig
    >>> with_fields(CostConfig(), {"escape": 20}).escape
    20.0
    >>> with_fields(CostConfig(), {"escapes": 20})
    Traceback (most recent call last):
    saec.errors.ConfigError: there is no setting escapes (did you mean escape?)

    Args:
        config: the settings to begin with.
        fields: what is given, by name.
        what: what errors call a field.
        strict: a text is no number; without it, "20" is one.

    Raises:
        ConfigError: there is no such field, or its value has another type or is out of range.
    """
    given = {name: plain_values(value) for name, value in fields.items()}
    for name, value in given.items():
        if name not in config.__struct_fields__:
            raise ConfigError(f"there is no {what} {name}", _known(config, name))
        if not all_finite(value):
            raise ConfigError(f"{what} {name} is not a finite number", f"give {name} a number")
    kept = {name: value for name, value in msgspec.structs.asdict(config).items() if name not in given}
    try:
        return convert({**plain_values(kept), **given}, type(config), strict=strict, hook=path_hook)
    except msgspec.ValidationError as e:
        said = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        message, _, place = str(e).partition(" - at `$.")
        fault = fault_of(place.rstrip("`") or "it", message)
        raise ConfigError(f"{what} {said}: {fault}", "give a value of the type and range named here") from e


def fault_of(name: str, message: str) -> str:
    """What is wrong with a value, in words.

    >>> fault_of("fit.folds", "Expected `int` >= 2")
    'fit.folds must be a whole number of at least 2'
    >>> fault_of("fit.folds", "Expected `int`, got `str`")
    'fit.folds must be a whole number, and is a text'

    Args:
        name: what the value is called.
        message: msgspec's, without the place.
    """
    if (found := re.fullmatch(r"Expected `([^`]+)`(.*?)(?:, got `([^`]+)`)?", message)) is None:
        return _other_fault(name, message)
    bound = re.fullmatch(r" (>=|>|<=|<) (\S+?)(?:\.0)?", found[2])
    limits = f" {_BOUNDS[bound[1]]} {bound[2]}" if bound else found[2]
    but = f", and is {_kinds(found[3]) or 'nothing'}" if found[3] else ""
    return f"{name} must be {_kinds(found[1])}{limits}{but}"


def _other_fault(name: str, message: str) -> str:
    if (value := re.fullmatch(r"Invalid (?:enum )?value (.+)", message)) is not None:
        return f"{name} cannot be {value[1]}"
    if re.fullmatch(r"Object contains unknown field `[^`]+`", message):
        return f"{name} is not a known key"
    if (key := re.fullmatch(r"Object missing required field `([^`]+)`", message)) is not None:
        return f"{name} lacks the key {key[1]}"
    return f"{name}: {message}"


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | ") if name != "null")


def _known(config: msgspec.Struct, name: str) -> str:
    """Where a field of that name stands, what is likely meant, or all that there is."""
    for outer, inner in msgspec.structs.asdict(config).items():
        if isinstance(inner, msgspec.Struct) and name in inner.__struct_fields__:
            return f"it stands in {outer}: give {outer}={{{name!r}: ...}}"
    names = config.__struct_fields__
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"


def plain_values(value: Any) -> Any:
    """A value as plain ones: structs as dicts, paths as texts, NumPy's numbers as Python's; others stay."""
    if isinstance(value, msgspec.Struct):
        return plain_values(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {name: plain_values(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else _without_numpy(value)


def with_python_numbers(settings: C) -> C:
    """The settings with Python's numbers in place of NumPy's; all else, the structs' types too, stays."""
    return msgspec.structs.replace(
        settings, **{name: _without_numpy(value) for name, value in msgspec.structs.asdict(settings).items()}
    )


def _without_numpy(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return with_python_numbers(value)
    if isinstance(value, dict):
        return {name: _without_numpy(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_without_numpy, value))
    numpy = sys.modules.get("numpy")  # not loaded for the answer
    array = numpy is not None and isinstance(value, numpy.generic | numpy.ndarray)
    return value.tolist() if array else value


def path_hook(kind: type, value: Any) -> Any:
    """Reads a text as a path."""
    if issubclass(kind, Path) and isinstance(value, str):
        return kind(value)
    raise ValueError(f"{value!r} is not a {kind.__name__}")
