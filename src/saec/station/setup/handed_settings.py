"""Settings as the station and its page hand them to programs of their own, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from saec.decoding import decode

T = TypeVar("T")


def handed_json(value: Any) -> bytes:
    """A struct, or plain values with paths in them, as JSON without a line's end in it."""
    return msgspec.json.encode(value, enc_hook=str)


def read_handed(told: bytes, kind: type[T]) -> T:
    """What was handed over.

    Raises:
        msgspec.DecodeError: it is no JSON, or not of the type.
    """
    return decode(told, kind, hook=_path)


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError
