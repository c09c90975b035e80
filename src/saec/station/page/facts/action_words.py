"""A row of the audit in a person's words: what was done, to what, and each value before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace

from saec.station.audit.audit_rows import AuditRow
from saec.station.page.facts.row_changes import ChangedValue, RowChanges, row_changes
from saec.station.page.words.languages import Wording, msgid
from saec.station.page.words.page_terms import TERMS, term

_FAILED = ".failed"
_TIMES = ("made", "ended", "since", "until")
_ANSWERS = {"true": msgid("yes"), "false": msgid("no"), "all": msgid("all"), "password": msgid("password")}
_BEGUN, _ENDED = msgid("Shadow begun"), msgid("Shadow ended")
_SINGLE = {"person.role": "role", "person.enable": "enabled", "person.disable": "enabled"}
"""What the only value of an action is."""


@dataclass(frozen=True, slots=True)
class SaidAction:
    """A row in words.

    Attributes:
        title: what was done.
        about: the thing that was changed, in words; "" where none is named.
        failed: whether it was not done after all.
    """

    row: AuditRow
    title: str
    about: str
    failed: bool
    changes: RowChanges


def said_action(words: Wording, row: AuditRow) -> SaidAction:
    """A row in the words of a language."""
    what, failed = row.what.removesuffix(_FAILED), row.what.endswith(_FAILED)
    title = term(words, "action", what)
    if what == "line.shadow" and isinstance(row.after, dict):
        title = words.gettext(_ENDED if row.after.get("shadow") is None else _BEGUN)
    about = row.about
    if what == "alarm.acknowledge":
        kind, _, subject = about.partition(" ")
        about = term(words, "alarm", kind) + (f" ({subject})" if subject else "")
    changes = row_changes(row.before, row.after)
    said = [_said(words, what, one) for one in changes.values]
    return SaidAction(row, title, about, failed, replace(changes, values=said))


def _said(words: Wording, what: str, one: ChangedValue) -> ChangedValue:
    name = one.name or _SINGLE.get(what, "")
    last = name.rpartition(".")[2]
    said = [None if text is None else _value(words, last, text) for text in (one.before, one.after)]
    shown = words.gettext(TERMS["value"][last]) if last in TERMS["value"] else name
    return ChangedValue(shown or words.gettext(msgid("value")), said[0], said[1])


def _value(words: Wording, name: str, text: str) -> str:
    """A value as the rest of the page says it."""
    if name == "role":
        return term(words, "role", text)
    if name == "state":
        group = "key" if text in TERMS["key"] else "state"
        return term(words, group, text)
    if name in _TIMES:
        try:
            return words.moment(float(text))
        except (ValueError, OverflowError, OSError):
            return text
    return words.gettext(_ANSWERS[text]) if text in _ANSWERS else text
