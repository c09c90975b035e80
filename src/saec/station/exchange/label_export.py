"""An export of a review into a folder, recorded before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from saec.errors import ReviewError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.exchange.coco_table import write_coco
from saec.station.exchange.exported_frames import exported_frames
from saec.station.exchange.label_studio import write_label_studio
from saec.station.exchange.mvtec_folder import write_mvtec
from saec.station.review.review_lookup import waiting_frames
from saec.station.review.review_records import ReviewedFrame, Use
from saec.station.review.review_store import ReviewStore

ExportForm = Literal["mvtec", "coco", "label-studio"]

EXPORT, IMPORT = "review.export", "review.import"
"""The actions in the record of actions."""


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames go out.

    Attributes:
        line: the line's name.
        since, until: accepted in this window, seconds since the epoch; ``until`` is left out.
        use: only frames that may be used for this; None takes all.
        unanswered: also frames that nobody has answered about; Label Studio alone takes them.
    """

    line: str
    since: float | None = None
    until: float | None = None
    use: Use | None = None
    unanswered: bool = False


def export_labels(
    store: ReviewStore,
    log: AuditLog,
    query: ExportQuery,
    form: ExportForm,
    out: Path,
    actor: str,
    role: str,
    reason: str = "",
) -> int:
    """Write frames, labels and masks into a folder of their own; how many pictures.

    Args:
        store: the review.
        log: the record of actions.
        query: which frames.
        form: the layout.
        out: the folder; must not exist.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        reason: why.

    Raises:
        ReviewError: ``out`` exists, or there is nothing to export.
        OSError: it cannot be written.
    """
    if out.exists():
        raise ReviewError(f"{out} exists already", "choose another folder")
    frames = list(_frames(store, query, unanswered=query.unanswered and form == "label-studio"))
    if not frames:
        raise ReviewError(
            f"there is nothing to export of {query.line}", "label frames first, or widen the window"
        )
    asked = msgspec.to_builtins(query) | {"form": form}
    action = Action(actor=actor, role=role, what=EXPORT, about=out.name, after=asked, reason=reason)
    with log.recorded(action):
        out.mkdir(parents=True)
        found = exported_frames(store, iter(frames))
        if form == "mvtec":
            return write_mvtec(found, out)
        if form == "coco":
            return write_coco(found, out)
        return write_label_studio(found, out, store.kinds(query.line))


def _frames(store: ReviewStore, query: ExportQuery, *, unanswered: bool) -> Iterator[ReviewedFrame]:
    yield from store.reviewed(query.line, since=query.since, until=query.until, use=query.use)
    if unanswered:
        with store.transaction() as db:
            waiting = waiting_frames(db, query.line)
        for frame in waiting:
            if query.use in (None, frame.use):
                yield ReviewedFrame(frame=frame, labels=(), settled=None)
