"""Dead letters, sent again or dropped by somebody: each change and its row in the record of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.storage.outbox import Outbox
from saec.station.storage.records import DeadLetter

LetterChange = Literal["letters.resend", "letters.drop"]
_NAMED = 1000
"""Letters that a row names; it counts all."""


def change_letters(
    outbox: Outbox,
    log: AuditLog,
    actor: str,
    role: str,
    what: LetterChange,
    letters: Sequence[DeadLetter],
    reason: str = "",
) -> None:
    """Send dead letters to their sinks again, or never.

    Args:
        outbox: holds them.
        log: where the row goes, before the change is made.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        what: the change.
        letters: which.
        reason: why.

    Raises:
        AuditError: the row cannot be written; nothing was changed.
    """
    if not letters:
        return
    sinks = sorted({letter.sink for letter in letters})
    action = Action(
        actor=actor, role=role, what=what, about=", ".join(sinks), before=_told(letters), reason=reason
    )
    with log.recorded(action):
        if what == "letters.resend":
            outbox.resend([letter.n for letter in letters])
        else:
            outbox.drop(letters)


def set_letter_aside(
    outbox: Outbox, log: AuditLog, actor: str, role: str, sink: str, reason: str = ""
) -> DeadLetter | None:
    """Make a dead letter of the verdict that a sink is offered first; None where nothing waits.

    Args:
        outbox: holds it.
        log: where the row goes, before the change is made.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        sink: the sink's name.
        reason: why.

    Raises:
        AuditError: the row cannot be written; nothing was changed.
    """
    first = outbox.waiting(sink, 1)
    if not first:
        return None
    told = {"n": first[0].n, "frame": first[0].verdict.id, "state": first[0].state}
    action = Action(actor=actor, role=role, what="letters.aside", about=sink, before=told, reason=reason)
    with log.recorded(action):
        return outbox.set_aside(sink)


def _told(letters: Sequence[DeadLetter]) -> dict[str, Any]:
    named = [
        {"n": letter.n, "sink": letter.sink, "frame": letter.frame, "state": letter.state}
        for letter in letters[:_NAMED]
    ]
    return {"count": len(letters), "letters": named}
