"""What people have said of a frame, on its record; and the way to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from saec.errors import ReviewError, SaecError
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.people.roles import Role
from saec.station.review.asked_frames import put_asked
from saec.station.review.review_records import Label
from saec.station.storage.records import SpooledFrame

_CANNOT = (
    msgid("This frame cannot be answered: it has no final verdict, or its picture was deleted"),
    msgid("Choose a newer frame"),
)


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """The labels of a frame.

    Attributes:
        shown: the ones that stand and that this person may see.
        hidden: how many there are beside these.
        may_ask: whether this person may have the frame answered.
        problem: why nothing is known.
    """

    shown: list[Label]
    hidden: int
    may_ask: bool
    problem: ReviewError | None = None


def frame_labels(tools: PageTools, visit: Visit, frame: SpooledFrame) -> FrameLabels:
    """What is known. Who may still answer sees no answer of others; only engineers see whose an answer is."""
    try:
        reviewed = tools.review.reviewed_frame(frame.seq)
    except ReviewError as e:
        return FrameLabels([], 0, False, e)
    labels = () if reviewed is None else reviewed.labels
    engineer = visit.role is not None and visit.role.allows(Role.ENGINEER)
    mine = any(label.person == visit.shown for label in labels)
    shown = [
        label if engineer or label.person == visit.shown else msgspec.structs.replace(label, person="")
        for label in labels
    ]
    may = visit.role is not None and visit.role.allows(Role.OPERATOR) and not mine
    kept = reviewed is not None or (bool(frame.image) and frame.state == "done")
    seen = engineer or mine
    return FrameLabels(shown if seen else [], 0 if seen else len(labels), may and kept)


def ask_label(tools: PageTools, visit: Visit, frame: SpooledFrame) -> Response:
    """Put a frame into the review, for this person first.

    Raises:
        SaecError: it has no final verdict with a label, or its picture is gone.
    """
    known = tools.review.reviewed_frame(frame.seq)
    if known is None:
        try:
            put_asked(tools.review, tools.reader, frame)
        except ReviewError as e:
            raise SaecError(*_CANNOT) from e
    elif known.labels:
        tools.review.ask_second(frame.seq)
    tools.review.lend(visit.shown, frame.seq)
    return go_to(f"/page/review?{urlencode({'line': frame.line})}")
