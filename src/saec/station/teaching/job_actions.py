"""Jobs that somebody asks for or ends: each with its row in the record of actions, written before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.teaching.job_records import CompareJob, FitJob, Job, TeachJob, Work
from saec.station.teaching.job_store import JobStore


def start_job(
    store: JobStore,
    log: AuditLog,
    actor: str,
    role: str,
    line: str,
    work: Work,
    reason: str = "",
    given: Callable[[Path], None] | None = None,
) -> Job:
    """Ask for a job.

    Args:
        store: the station's jobs.
        log: where the row goes.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        line: the line.
        work: what is to be done.
        reason: why.
        given: fills a folder with the pictures that come with it.

    Raises:
        JobError: too many wait, or one of this line does.
        AuditError: the row cannot be written; nothing is begun.
        OSError: the disk has no room for it.
    """
    store.check_room(line)
    what, after = _told(work)
    action = Action(actor=actor, role=role, what=what, about=line, after=after, reason=reason)
    with log.recorded(action):
        return store.add(line, work, actor, role, reason, given)


def cancel_job(store: JobStore, log: AuditLog, actor: str, role: str, id: str) -> None:
    """Have a job end; one that has ended stays what it is, and has no row.

    Raises:
        JobError: there is no such job.
        AuditError: the row cannot be written; the job goes on.
    """
    job = store.find(id)
    if job.open and not store.is_to_end(id):
        what, after = _told(job.work)
        action = Action(
            actor=actor, role=role, what="job.cancel", about=job.line, before={"job": what, **after}
        )
        with log.recorded(action):
            store.ask_end(id)


def _told(work: Work) -> tuple[str, dict[str, Any]]:
    """The action of a job, and what is recorded of it."""
    match work:
        case TeachJob():
            labels = [frame.label for frame in work.frames]
            after = {"version": work.base, "goods": labels.count(0), "defects": labels.count(1)}
            return "job.teach", after
        case CompareJob():
            return "job.compare", {"version": work.version, "current": work.base}
        case FitJob():
            return "job.fit", {}
