"""Reading values as types; the only place of the package where msgspec is given a type to read.

msgspec learns what a type is made of when it meets the type first, and notes it at the type before it has
learnt all of it. A thread that reads a value of the type meanwhile finds half of the note, and the process
ends by signal 11 (seen with msgspec 0.22). So a type is learnt here under one lock, by whichever thread needs
it first; the others wait for it, and later reads take no lock. Nobody has to remember a new type.
Writing needs no such note.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")
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
