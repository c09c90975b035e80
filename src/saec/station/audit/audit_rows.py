"""What a person did, as a row of a chain: each row holds the hash of the row before and its own.

The hash of a row is sha256 over the JSON array of its fields, from ``n`` to ``previous``. In it ``before``
and ``after`` are canonical JSON as texts. A row thus fixes all rows before it: a hash chain as in Haber and
Stornetta, How to Time-Stamp a Digital Document, Journal of Cryptology 3, 1991.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from saec.errors import SaecError
from saec.station.storage.records import AuditHead

GENESIS = "0" * 64
"""The hash before the first row."""


class AuditError(SaecError):
    """The record of actions cannot be read or written, or a file of evidence is none."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody did to a station.

    Attributes:
        actor: who: a person's name, "shell:USER" on the command line, or "station" for the program itself.
        role: the role in which it was done: that of a person, "shell", or "station".
        what: the kind of action, such as "line.promote", "alarm.acknowledge" or "person.add".
        about: the thing that was changed: a line, a frame, a person, a key.
        before: what was there, as JSON values; None where nothing was.
        after: what is there now, likewise.
        reason: why, in the person's words.
    """

    actor: str
    role: str
    what: str
    about: str = ""
    before: Any = None
    after: Any = None
    reason: str = ""


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """An action as it stands in the chain.

    Attributes:
        n: its number; the first has 1, the next the next.
        time: when, seconds since the epoch by the station's clock.
        actor, role, what, about, before, after, reason: those of the ``Action``.
        previous: the hash of the row before, ``GENESIS`` in the first.
        hash: sha256 over all the fields above, 64 hexadecimal digits.
    """

    n: int
    time: float
    actor: str
    role: str
    what: str
    about: str
    before: Any
    after: Any
    reason: str
    previous: str
    hash: str


RawRow = tuple[Any, ...]
"""A row as the database holds it: the fields of ``AuditRow`` in their order, JSON values as texts."""

TYPES = (int, float, str, str, str, str, str, str, str, str, str)
"""The types of a raw row's cells."""


def canonical_json(value: Any) -> str:
    """A JSON value as its one text: keys sorted, no spaces, ASCII, numbers as Python writes them.

    Raises:
        ValueError: a number is infinite or none, or a value is no JSON.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except TypeError as e:
        raise ValueError(f"no JSON value: {e}") from e


def row_hash(fields: RawRow) -> str:
    """The hash of a raw row without its last cell."""
    return hashlib.sha256(canonical_json(list(fields)).encode()).hexdigest()


def chained(action: Action, time: float, before: AuditHead) -> RawRow:
    """The raw row of an action that follows a head.

    Raises:
        ValueError: a value of the action is no JSON.
    """
    told = [action.actor, action.role, action.what, action.about]
    changed = [canonical_json(action.before), canonical_json(action.after)]
    fields = (before.n + 1, float(time), *map(plain_text, told), *changed, plain_text(action.reason))
    sealed = (*fields, before.hash)
    return (*sealed, row_hash(sealed))


def plain_text(text: str) -> str:
    """A text that a database can hold: half a surrogate, as in some file names, becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def raw_row(row: AuditRow) -> RawRow:
    """A row as the database holds it.

    Raises:
        ValueError: a value is no JSON.
    """
    cells = msgspec.structs.asdict(row)
    cells |= {name: canonical_json(cells[name]) for name in ("before", "after")}
    return tuple(cells.values())


def audit_row(raw: RawRow) -> AuditRow:
    """A row of the database.

    Raises:
        AuditError: a cell is not what the chain holds.
    """
    try:
        n, time, actor, role, what, about, before, after, reason, previous, own = raw
        return AuditRow(
            n=n,
            time=time,
            actor=actor,
            role=role,
            what=what,
            about=about,
            before=json.loads(before),
            after=json.loads(after),
            reason=reason,
            previous=previous,
            hash=own,
        )
    except (ValueError, TypeError, RecursionError) as e:
        raise AuditError(f"row {raw[0]} of the audit was changed: {e}", "run `saec audit verify`") from e
