"""A search of frames as people write it: in a form, and in the address that they keep or share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from saec.station.page.words.languages import msgid
from saec.station.storage.frame_search import FrameQuery

LABELS = {"good": 0, "defect": 1}
FIELDS = (
    "line",
    "label",
    "name",
    "since",
    "until",
    "by",
    "state",
    "score_from",
    "score_to",
    "version",
    "kind",
    "part",
)
"""The fields in the order of the form; the last nine are folded away until one of them is used."""

FOLDED = FIELDS[3:]

_LONGEST = 300

WRONG = {
    "since": msgid("The beginning is no date with a time."),
    "until": msgid("The end is no date with a time."),
    "score_from": msgid("The lowest score is no number."),
    "score_to": msgid("The highest score is no number."),
    "label": msgid("There is no such label."),
    "before": msgid("The address names no page of the search."),
}
"""What is said of a field that cannot be read."""


@dataclass(frozen=True, slots=True)
class FrameSearch:
    """A search as it was asked.

    Attributes:
        fields: what the form holds, as it was written; empty fields are left out.
        query: what it means, as far as it can be read.
        wrong: the fields that cannot be read; such a search finds nothing.
    """

    fields: Mapping[str, str]
    query: FrameQuery
    wrong: tuple[str, ...]

    @property
    def unfolds(self) -> bool:
        """Whether a field is used that is folded away otherwise."""
        return any(name in self.fields for name in FOLDED)

    @property
    def tail(self) -> str:
        """The search behind an address, with its question mark; "" where it asks for all frames."""
        return f"?{urlencode(self.fields)}" if self.fields else ""

    def before(self, n: int) -> FrameQuery:
        """What it means, from a frame's number on."""
        return msgspec.structs.replace(self.query, before=n)

    def tail_before(self, n: int) -> str:
        """The same, for the page that follows a frame's number."""
        return f"?{urlencode({**self.fields, 'before': n})}"


def read_search(form: Mapping[str, str]) -> FrameSearch:
    """The search that a form or an address asks for."""
    fields = {
        name: form[name].strip()[:_LONGEST]
        for name in FIELDS
        if form.get(name, "").strip() and "\x00" not in form[name]
    }
    meant: dict[str, Any] = {}
    wrong: list[str] = []
    for name, text in fields.items():
        value = _READ[name](text) if name in _READ else text
        if value is None:
            wrong.append(name)
        meant["decided_by" if name == "by" else name] = value
    before = form.get("before", "").strip()
    if before:
        meant["before"] = int(before) if before.isdecimal() and len(before) < 19 else None
        if meant["before"] is None:
            wrong.append("before")
    return FrameSearch(fields, FrameQuery(**meant), tuple(wrong))


def moment_of(text: str) -> float | None:
    """Seconds since the epoch of a date with a time; one without a zone is that of the station. None where it
    is none."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def moment_text(seconds: float) -> str:
    """A moment as a field of a form holds it, to the minute, in the station's zone."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M")


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_READ: Mapping[str, Callable[[str], float | None]] = {
    "since": moment_of,
    "until": moment_of,
    "score_from": _number,
    "score_to": _number,
    "label": LABELS.get,
}
