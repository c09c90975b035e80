"""What is done to people, as rows of the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.people.person import Note


def audited(folder: Path, actor: str | None, role: str, reason: str = "") -> Note:
    """What records a change of people in the audit of a data folder.

    Args:
        folder: the station's data.
        actor: who makes the change, as shown; None where it is whoever the change is about, as at a log-in.
        role: the actor's.
        reason: why, in the actor's words.
    """
    log = AuditLog(folder)

    def note(what: str, about: str, before: Any, after: Any) -> None:
        who = about if actor is None else actor
        log.append(
            Action(actor=who, role=role, what=what, about=about, before=before, after=after, reason=reason)
        )

    return note
