"""What people have answered, for engineers: where they disagree, and where they contradict the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import nlargest
from itertools import chain

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.views.review.answer_form import answered_frame
from saec.station.page.words.languages import msgid
from saec.station.review.review_records import ReviewedFrame

MOST = 100
"""Frames of the list."""


def _disagree(one: ReviewedFrame) -> bool:
    return len({label.answer.label for label in one.labels if label.answer.label is not None}) > 1


def _contradicts(one: ReviewedFrame) -> bool:
    return one.settled is not None and one.settled != one.frame.label


def _unsure(one: ReviewedFrame) -> bool:
    return one.settled is None and not _disagree(one)


WHICH: Mapping[str, tuple[str, Callable[[ReviewedFrame], bool]]] = {
    "disagree": (msgid("people disagree"), _disagree),
    "contradict": (msgid("people contradict the verdict"), _contradicts),
    "unsure": (msgid("nobody is sure"), _unsure),
    "all": (msgid("all"), lambda one: True),
}
"""Which frames are listed, by the key in the address."""


def show_labels(tools: PageTools, visit: Visit) -> Response:
    """The frames that people have answered, the newest answer first."""
    line, which = visit.form.get("line", ""), visit.form.get("which", "disagree")
    line, which = line if line in tools.lines else "", which if which in WHICH else "disagree"
    lines = [line] if line else tools.lines
    found = (one for one in _reviewed(tools, lines) if WHICH[which][1](one))
    return tools.page(
        "review",
        visit,
        template="review/labels",
        line=line,
        lines=tools.lines,
        which=which,
        choices={key: title for key, (title, _) in WHICH.items()},
        found=nlargest(MOST, found, key=lambda one: one.labels[-1].time),
        most=MOST,
        asked=visit.form.get("asked", ""),
    )


def ask_again(tools: PageTools, visit: Visit) -> Response:
    """Have one more person answer a frame, who sees neither the verdict nor the other answers.

    Raises:
        SaecError: it is not in the review.
    """
    seq = answered_frame(visit.form)
    reviewed = tools.review.reviewed_frame(seq)
    if reviewed is None:
        raise SaecError(msgid("This frame is not in the review any more"), msgid("Choose another one"))
    tools.review.ask_second(seq)
    which = visit.form.get("which", "")
    return go_to(f"/page/review/labels?which={which if which in WHICH else 'disagree'}&asked={seq}")


def _reviewed(tools: PageTools, lines: list[str]) -> Iterator[ReviewedFrame]:
    return chain.from_iterable(tools.review.reviewed(line) for line in lines)


LABEL_ROUTES = (
    PageRoute("GET", "/page/review/labels", show_labels),
    PageRoute("POST", "/page/review/second", ask_again),
)
