"""A line's versions, changed by somebody: each change and its row in the record of actions.

The page, the API and the command line change versions here, so that none of them is without a row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from saec.errors import LineError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.line.version_store import Versions, VersionStore
from saec.station.maintenance.version_comparisons import Comparisons, said_concerns
from saec.station.storage.database.schema import alone_in

VersionChange = Literal["line.promote", "line.shadow", "line.rollback"]


def change_version(
    store: VersionStore,
    log: AuditLog,
    actor: str,
    role: str,
    what: VersionChange,
    number: int | None = None,
    reason: str = "",
) -> Versions:
    """Promote a version, let one judge as a shadow, or roll back; a change that changes nothing has no row.

    Args:
        store: the line's versions.
        log: where the row goes, before the change is made.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        what: the change.
        number: the version; None ends a shadow, and is not needed to roll back.
        reason: why.

    Returns:
        what is current now.

    Raises:
        LineError: no such version, or none to go back to; or something speaks against the version that is to
            be promoted, and no reason is given.
        SpoolError: another program changes versions of the line, and does not end.
        AuditError: the row cannot be written; nothing was changed.
    """
    store.state()  # a line without versions is named before its folder is looked for
    with alone_in(store.folder):
        before = store.state()
        if what == "line.rollback":
            after = store.rolled_back()
        elif what == "line.shadow":
            after = store.shadowed(number)
        else:
            after = store.promoted(before.current if number is None else number)
        if after == before:
            return before
        concerns = Comparisons(store).concerns(after.current) if what == "line.promote" else ()
        if concerns and not reason.strip():
            raise LineError(
                f"version {after.current} is promoted only for a reason: {said_concerns(concerns)}",
                "give a reason; it stands in the audit",
            )
        action = Action(
            actor=actor,
            role=role,
            what=what,
            about=store.folder.name,
            before=_told(before),
            after=_told(after) | ({"concerns": list(concerns)} if concerns else {}),
            reason=reason,
        )
        with log.recorded(action):
            store.write(after)
        return after


def add_version(
    store: VersionStore,
    log: AuditLog,
    actor: str,
    role: str,
    profile: Path,
    model: str | None = None,
    reason: str = "",
) -> int:
    """Take over a line profile as the next version; one that is there already is added, and recorded, once.

    Args:
        store: the line's versions.
        log: where the row goes, before the profile is copied.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        profile: the folder of the profile.
        model: the cloud model that goes with it.
        reason: why.

    Returns:
        the version's number.

    Raises:
        LineError: it is no sound line profile.
        SpoolError: another program changes versions of the line, and does not end.
        AuditError: the row cannot be written; nothing was changed.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.folder.mkdir(parents=True, exist_ok=True)
    with alone_in(store.folder):
        version, known = store.candidate(profile, model=model, time=now)
        if known:
            return version.number
        after = {"version": version.number, "content": version.content, "model": model}
        action = Action(
            actor=actor, role=role, what="line.add", about=store.folder.name, after=after, reason=reason
        )
        with log.recorded(action):
            return store.add(profile, model=model, time=now)


def _told(state: Versions) -> dict[str, Any]:
    """What judges, by number and by the hash of its files."""
    contents = {version.number: version.content for version in state.known}
    return {
        "current": state.current,
        "content": contents.get(state.current),
        "previous": state.previous,
        "shadow": state.shadow,
    }
