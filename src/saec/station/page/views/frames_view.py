"""Frames: any frame found again, its whole record, and its replay."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.page.live.frame_cards import frame_card
from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.search.record_rows import replay_rows, verdict_parts
from saec.station.page.search.replay_runs import ReplayRow
from saec.station.page.search.search_form import WRONG, FrameSearch, read_search
from saec.station.page.views.review.frame_labels import ask_label, frame_labels
from saec.station.page.words.languages import msgid
from saec.station.people.route_roles import is_allowed
from saec.station.storage.frame_search import FoundFrame
from saec.station.storage.parts.part_search import PartStanding
from saec.station.storage.records import Alarm, SpooledFrame
from saec.texts import whole_number

PAGE = 50
"""Frames of one page."""

_ALARMS = 200
_VISITS = 3
_KIND = "kind:"


def show_frames(tools: PageTools, visit: Visit) -> Response:
    """The form and a page of what is found; htmx takes the second part alone."""
    asked = read_search(visit.form)
    found = [] if asked.wrong else tools.reader.search(asked.query, PAGE + 1)
    answer = tools.page(
        "frames",
        visit,
        search=asked,
        wrong=[WRONG[name] for name in asked.wrong],
        found=found[:PAGE],
        visits=_visits(tools, asked),
        older=asked.tail_before(found[PAGE - 1].n) if len(found) > PAGE else "",
        lines=tools.lines,
        kinds=_kinds(tools),
    )
    before = asked.query.before
    answer.headers["HX-Replace-Url"] = "/page/frames" + (
        asked.tail if before is None else asked.tail_before(before)
    )
    return answer


def show_record(tools: PageTools, visit: Visit) -> Response:
    """One frame's record.

    Raises:
        SaecError: there is no such frame.
    """
    return _record(tools, visit, {"replayed": None, "problem": None})


def replay_record(tools: PageTools, visit: Visit) -> Response:
    """The same with the frame judged again.

    Raises:
        SaecError: there is no such frame.
    """
    frame = _frame(tools, visit.taken["id"])
    rows: list[ReplayRow] | None = None
    problem: SaecError | None = None
    try:
        rows = tools.replays.run(frame.id)
    except SaecError as e:
        problem = e
    shown = None if rows is None else replay_rows(visit.wording, rows)
    return _record(tools, visit, {"replayed": shown, "problem": problem})


def label_frame(tools: PageTools, visit: Visit) -> Response:
    """Put the frame into the review, for this person.

    Raises:
        SaecError: there is no such frame, or nobody can answer it.
    """
    return ask_label(tools, visit, _frame(tools, visit.taken["id"]))


def _record(tools: PageTools, visit: Visit, replay: dict[str, Any]) -> Response:
    frame = _frame(tools, visit.taken["id"])
    asked, found = read_search(visit.form), tools.reader.newest(frame.seq)
    verdicts = tools.reader.verdicts(frame.seq)
    parts = {
        state: verdict_parts(visit.wording, verdicts[state])
        for state in ("provisional", "final")
        if state in verdicts
    }
    newer, older = (None, None) if found is None else _neighbours(tools, asked, found)
    return tools.page(
        "frames",
        visit,
        template="frame_record",
        frame=frame,
        found=found,
        card=None if found is None else frame_card(tools.reader, found),
        parts=parts,
        of_part=tools.reader.part_of(frame.seq),
        deliveries=tools.reader.deliveries(frame.seq),
        alarms=_alarms(tools, frame),
        search=asked,
        newer=newer,
        older=older,
        may_replay=is_allowed(visit.role, "POST", f"/page/frames/{frame.id}/replay"),
        labels=frame_labels(tools, visit, frame),
        **replay,
    )


def _visits(tools: PageTools, asked: FrameSearch) -> list[PartStanding]:
    """The last visits of the part that is searched for, on the first page of what is found."""
    part = asked.query.part
    if part is None or asked.wrong or asked.query.before is not None:
        return []
    return tools.reader.part_visits(part, _VISITS)


def _frame(tools: PageTools, id: str) -> SpooledFrame:
    seq = whole_number(id.rpartition("-")[2])
    frame = None if seq is None else tools.reader.frame(seq)
    if frame is None or frame.id != id:
        raise SaecError(
            msgid("There is no such frame"),
            msgid("Look for it under Frames; old records are deleted in time"),
        )
    return frame


def _neighbours(
    tools: PageTools, asked: FrameSearch, found: FoundFrame
) -> tuple[FoundFrame | None, FoundFrame | None]:
    """The frames of the search before and after this one in its list, which begins with the newest."""
    if asked.wrong:
        return None, None
    newer = tools.reader.newer(asked.query, found.n)
    older = tools.reader.search(asked.before(found.n), 1)
    return (newer[0] if newer else None), (older[0] if older else None)


def _alarms(tools: PageTools, frame: SpooledFrame) -> list[Alarm]:
    return [alarm for alarm in tools.reader.alarms(_ALARMS) if frame.id in alarm.frames]


def _kinds(tools: PageTools) -> list[str]:
    """The kinds of defect that the station has counted."""
    counted = [name.split(":", 2) for name in tools.reader.counters() if name.startswith(_KIND)]
    return sorted({parts[2] for parts in counted if len(parts) == 3})


FRAMES = PageView(
    "frames",
    ViewWords(
        msgid("Frames"),
        msgid("Find any frame again, and see everything that is known of it."),
        msgid(
            "Fill in what you know and leave the rest open. The newest verdict stands first. The address "
            "holds the search: keep it as a bookmark, or send it to somebody. On a frame's record the "
            "arrow keys lead to the next newer and the next older frame of the search. Replay judges the "
            "frame again by the version that judged it, and changes nothing."
        ),
    ),
    (
        PageRoute("GET", "/page/frames", show_frames),
        PageRoute("GET", "/page/frames/{id}", show_record),
        PageRoute("POST", "/page/frames/{id}/replay", replay_record),
        PageRoute("POST", "/page/frames/{id}/label", label_frame),
    ),
)
