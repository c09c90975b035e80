"""What a row of the audit changed: value by value, as texts that can be read beside each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LONGEST = 300
_OF_HASH = 12
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST = 40
"""Values of a row that are shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """A value before and after; None where there was none, or is none any more.

    Attributes:
        name: its key, with dots between those of nested values; "" for a row's only value.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What a row changed, and how many values more than are shown."""

    values: list[ChangedValue]
    more: int


def row_changes(before: Any, after: Any) -> RowChanges:
    """The values in which two states differ, in the order of their names.

    Args:
        before: a JSON value.
        after: likewise.
    """
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    values = [ChangedValue(name, _short(old.get(name)), _short(new.get(name))) for name in names[:_MOST]]
    return RowChanges(values, max(0, len(names) - _MOST))


def _short(text: str | None) -> str | None:
    """A text as it is shown; of a hash the beginning tells enough."""
    longest = _OF_HASH if text is not None and _HASH.fullmatch(text) else _LONGEST
    return text if text is None or len(text) <= longest else f"{text[:longest]}…"


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif value not in (None, "", []):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield name, text
