"""Review: a person answers frames, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import HTMLResponse, Response

from saec.errors import SaecError
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.views.review.answer_form import answered_frame, read_answer
from saec.station.page.views.review.label_routes import LABEL_ROUTES
from saec.station.page.views.review.review_cards import browser_picture, review_cards
from saec.station.page.views.review.review_progress import review_progress
from saec.station.page.words.languages import msgid
from saec.station.people.route_roles import is_allowed
from saec.station.review.place_checks import checked_place
from saec.station.review.review_pictures import upright_size
from saec.station.review.review_records import ReviewAnswer, ReviewFrame, ReviewTask
from saec.texts import whole_number

LEASES = 2
"""Frames that a person has at once: the one that is shown, and the next, whose picture is there already."""

_RECENT, _LOOKED_BACK = 12, 100
_GONE = msgid("This frame is not in the review any more"), msgid("Go on with the next frame")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a press has led to.

    Attributes:
        problem: why nothing was done.
        back: a frame that was handed back.
        done: what was done, said aloud.
    """

    problem: SaecError | None = None
    back: ReviewTask | None = None
    done: str = ""


def show_review(tools: PageTools, visit: Visit) -> Response:
    """The whole view with the frames that this person has now."""
    may_compare = is_allowed(visit.role, "GET", "/page/review/labels")
    shown = _shown(tools, visit, _Outcome())
    return tools.page("review", visit, template="review/review", may_compare=may_compare, **shown)


def show_tasks(tools: PageTools, visit: Visit) -> Response:
    """The part that changes, for the script; asking for it keeps the person's frames for the person."""
    return _piece(tools, visit, _Outcome())


def take_answer(tools: PageTools, visit: Visit) -> Response:
    """Keep an answer. The same one again, after a reply that was lost, is kept once."""
    try:
        seq, answer = answered_frame(visit.form), read_answer(visit.form)
        frame = _frame(tools, seq)
        tools.review.answer(visit.shown, seq, _inside(tools, frame, answer))
    except SaecError as e:
        return _reply(tools, visit, _Outcome(problem=e))
    return _reply(tools, visit, _Outcome())


def undo_answer(tools: PageTools, visit: Visit) -> Response:
    """Take one's own label back, the newest or the one that the form names; its frame waits again."""
    n = whole_number(visit.form.get("n", ""))
    try:
        number = _newest_label(tools, visit) if n is None else n
        back = None if number is None else tools.review.withdraw(visit.shown, number)
        if back is None:
            raise SaecError(msgid("There is nothing to take back"), msgid("Answer the frame that is shown"))
        tools.review.lend(visit.shown, back.frame.seq)
    except SaecError as e:
        return _reply(tools, visit, _Outcome(problem=e))
    done = visit.wording.gettext("Taken back: %(name)s") % {"name": back.frame.frame}
    return _reply(tools, visit, _Outcome(back=back, done=done))


def show_picture(tools: PageTools, visit: Visit) -> Response:
    """A frame's picture as browsers show it.

    Raises:
        SaecError: there is none any more.
    """
    seq = whole_number(visit.taken["seq"])
    if seq is None:
        raise SaecError(*_GONE)
    frame = _frame(tools, seq)
    try:
        data, kind = browser_picture(tools.review.picture(frame))
    except OSError as e:
        raise SaecError(*_GONE) from e
    return Response(data, 200, {"Cache-Control": "private, max-age=3600"}, kind)


def _newest_label(tools: PageTools, visit: Visit) -> int | None:
    """The number of the newest label that this person gave here, of the line that is chosen."""
    given = tools.review.labels(person=visit.shown, line=_line(tools, visit), most=_LOOKED_BACK)
    return next((label.n for label in given if label.origin == "page"), None)


def _frame(tools: PageTools, seq: int) -> ReviewFrame:
    reviewed = tools.review.reviewed_frame(seq)
    if reviewed is None:
        raise SaecError(*_GONE)
    return reviewed.frame


def _inside(tools: PageTools, frame: ReviewFrame, answer: ReviewAnswer) -> ReviewAnswer:
    """The answer with its place inside the picture."""
    if answer.place is None:
        return answer
    try:
        width, height = upright_size(tools.review.picture(frame))
    except OSError as e:
        raise SaecError(*_GONE) from e
    return msgspec.structs.replace(answer, place=checked_place(answer.place, width, height))


def _reply(tools: PageTools, visit: Visit, outcome: _Outcome) -> Response:
    """The script gets the part that changes; a browser without it the whole view anew."""
    if visit.form.get("script") == "yes":
        return _piece(tools, visit, outcome)
    if outcome.problem is not None:
        raise outcome.problem
    line = _line(tools, visit)
    return go_to(f"/page/review?{urlencode({'line': line})}" if line else "/page/review")


def _piece(tools: PageTools, visit: Visit, outcome: _Outcome) -> Response:
    shown = _shown(tools, visit, outcome)
    text = tools.templates.text("review/now.html", visit.wording, visit=visit, **shown)
    return HTMLResponse(text, 200 if outcome.problem is None else 409)


def _shown(tools: PageTools, visit: Visit, outcome: _Outcome) -> dict[str, Any]:
    line = _line(tools, visit)
    tasks = tools.review.take(visit.shown, line, LEASES)
    if outcome.back is not None:
        handed = outcome.back
        tasks = [handed, *(task for task in tasks if task.frame.seq != handed.frame.seq)]
    return {
        "line": line or "",
        "lines": tools.lines,
        "cards": review_cards(tools, tasks),
        "progress": review_progress(tools.review, visit.shown, line),
        "recent": tools.review.labels(person=visit.shown, line=line, most=_RECENT, withdrawn=True),
        "problem": outcome.problem,
        "back": "" if outcome.back is None else outcome.back.frame.seq,
        "done": outcome.done,
    }


def _line(tools: PageTools, visit: Visit) -> str | None:
    """The line that is chosen; None for all."""
    name = visit.form.get("line", "")
    return name if name in tools.lines else None


REVIEW = PageView(
    "review",
    ViewWords(
        msgid("Review"),
        msgid("Say of single frames whether they are good, and the line learns from it."),
        msgid(
            "Press G for good, D for a defect, N where you are not sure, and a digit for a kind of defect. U "
            "takes the last answer back. Mark the place of a defect by a box or a brush if you can. Frames "
            "that were drawn at random show how well the line does. The others come in the order in which "
            "an answer teaches most. Nobody else gets your frame meanwhile. An answer changes no verdict."
        ),
    ),
    (
        PageRoute("GET", "/page/review", show_review),
        PageRoute("GET", "/page/review/tasks", show_tasks),
        PageRoute("POST", "/page/review/answer", take_answer),
        PageRoute("POST", "/page/review/undo", undo_answer),
        PageRoute("GET", "/page/review/picture/{seq}", show_picture),
        *LABEL_ROUTES,
    ),
)
