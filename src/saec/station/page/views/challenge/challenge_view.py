"""Challenge: how each line judges its golden parts; run it, look at a run, override a failed one."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.challenge.challenge_wishes import LineWishes
from saec.station.challenge.golden_set import GoldenPart, GoldenSet
from saec.station.challenge_records import ChallengeRecord, ChallengeWay
from saec.station.maintenance.golden_pinning import pictures_of_frames, pictures_of_reviewed, pin_pictures
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.people.roles import Role
from saec.types import DEFECT, GOOD

NEWEST = 10
"""Runs that are listed."""

_LONGEST = 1000
"""Letters of a reason or a note."""


@dataclass(frozen=True, slots=True)
class ShownChallenge:
    """A line's challenge as the page shows it.

    Attributes:
        line: the line's name.
        told: what the station says of it; empty where it says nothing.
        runs: the last runs, newest first.
        parts: the golden parts.
    """

    line: str
    told: dict[str, Any]
    runs: list[ChallengeRecord]
    parts: tuple[GoldenPart, ...]


def shown_challenge(tools: PageTools, line: str, most: int) -> ShownChallenge:
    """A line's challenge with so many of its last runs."""
    told = {} if tools.feed.silent else tools.feed.line(line).get("challenge") or {}
    parts = GoldenSet(tools.settings.station.data, line).parts()
    return ShownChallenge(line, told, tools.reader.challenges(line, most), parts)


def show_challenges(tools: PageTools, visit: Visit) -> Response:
    """All lines with how their challenge stands."""
    shown = [shown_challenge(tools, line, NEWEST) for line in tools.lines]
    return tools.page(
        "challenge", visit, template="challenge/challenge", lines=shown, may_run=_may(visit, Role.OPERATOR)
    )


def show_line_challenge(tools: PageTools, visit: Visit) -> Response:
    """One line with its golden parts and runs."""
    return _golden_page(tools, visit, None)


def show_golden_picture(tools: PageTools, visit: Visit) -> Response:
    """The picture of a golden part.

    Raises:
        SaecError: there is no such part, or its picture is gone.
    """
    golden = GoldenSet(tools.settings.station.data, _line(tools, visit))
    part = next((one for one in golden.parts() if one.name == visit.taken["name"]), None)
    if part is None:
        raise SaecError(msgid("This line has no such golden part"), msgid("Choose one from the page"))
    kind = mimetypes.types_map.get(part.suffix, "application/octet-stream")
    return Response(golden.picture(part), 200, {"Cache-Control": "private, max-age=3600"}, kind)


def show_run(tools: PageTools, visit: Visit) -> Response:
    """One run in full.

    Raises:
        SaecError: there is no such run.
    """
    line = _line(tools, visit)
    run = _run(tools, line, visit.taken["run"])
    return tools.page(
        "challenge",
        visit,
        template="challenge/run",
        run=run,
        stops=run.stop and shown_challenge(tools, line, 1).told.get("stopped", "") != "",
        may_override=_may(visit, Role.ENGINEER),
        may_run=_may(visit, Role.OPERATOR),
    )


def ask_run(tools: PageTools, visit: Visit) -> Response:
    """Ask for a run."""
    line = _line(tools, visit)
    ways: dict[str, ChallengeWay] = {"pictures": "pictures", "camera": "camera"}
    wishes = LineWishes(tools.settings.station.data, line)
    way = ways.get(visit.form.get("way", ""))
    wishes.ask(tools.audit, visit.shown, _role(visit), way, "asked", _text(visit, "reason"))
    return go_to(f"/page/challenge/{line}")


def make_override(tools: PageTools, visit: Visit) -> Response:
    """Let a line judge again in spite of a failed run.

    Raises:
        SaecError: there is no such run, or no reason is given.
    """
    line = _line(tools, visit)
    run = _run(tools, line, visit.taken["run"])
    if not _text(visit, "reason"):
        raise SaecError(msgid("An override needs a reason"), msgid("Say why the line may judge all the same"))
    wishes = LineWishes(tools.settings.station.data, line)
    wishes.override(tools.audit, visit.shown, _role(visit), run.n, _text(visit, "reason"))
    return go_to(f"/page/challenge/{line}")


def pin_golden(tools: PageTools, visit: Visit) -> Response:
    """Pin a frame of the record, or a reviewed one, as a golden part."""
    line = _line(tools, visit)
    id, label, note = _text(visit, "frame"), visit.form.get("label", ""), _text(visit, "note")
    try:
        if label == "reviewed":
            pictures = pictures_of_reviewed(tools.review, tools.reader, line, [id], note)
        else:
            what = DEFECT if label == "defect" else GOOD
            kind = _text(visit, "kind")
            pictures = pictures_of_frames(tools.reader, line, [id], what, kind=kind, note=note)
        pin_pictures(
            tools.settings.station.data,
            line,
            pictures,
            store=tools.review,
            audit=tools.audit,
            actor=visit.shown,
            role=_role(visit),
            reason=_text(visit, "reason"),
        )
    except SaecError as e:
        return _golden_page(tools, visit, e)
    return go_to(f"/page/challenge/{line}")


def unpin_golden(tools: PageTools, visit: Visit) -> Response:
    """Take a golden part out of the set."""
    line = _line(tools, visit)
    golden = GoldenSet(tools.settings.station.data, line)
    golden.unpin(tools.audit, visit.shown, _role(visit), [_text(visit, "name")], _text(visit, "reason"))
    return go_to(f"/page/challenge/{line}")


def _golden_page(tools: PageTools, visit: Visit, problem: SaecError | None) -> Response:
    line = _line(tools, visit)
    return tools.page(
        "challenge",
        visit,
        status=200 if problem is None else 409,
        template="challenge/line",
        line=shown_challenge(tools, line, NEWEST),
        frame=visit.form.get("frame", "")[:200],
        problem=problem,
        may_run=_may(visit, Role.OPERATOR),
        may_pin=_may(visit, Role.ENGINEER),
    )


def _run(tools: PageTools, line: str, told: str) -> ChallengeRecord:
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else 0
    found = tools.reader.challenges(line, 1, before=number + 1)
    if not found or found[0].n != number:
        raise SaecError(msgid("This line has no such run"), msgid("Choose one from the page of the line"))
    return found[0]


def _line(tools: PageTools, visit: Visit) -> str:
    line = visit.taken["line"]
    if line not in tools.lines:
        raise SaecError(msgid("This station has no such line"), msgid("Choose one under Lines"))
    return line


def _may(visit: Visit, role: Role) -> bool:
    return visit.role is not None and visit.role.allows(role)


def _role(visit: Visit) -> str:
    return "" if visit.role is None else visit.role.value


def _text(visit: Visit, name: str) -> str:
    return visit.form.get(name, "").strip()[:_LONGEST]


CHALLENGE = PageView(
    "challenge",
    ViewWords(
        msgid("Challenge"),
        msgid("See whether each line judges its golden parts right, and run them again."),
        msgid(
            "A golden part is one whose label is known for certain. It is never taught. A run sends all of "
            "them through the line's own path. With pictures it judges those that were pinned. At the camera "
            "the line's next frames are the golden parts, by their part ids or in the order of the list. The "
            "intervals say how much so few parts can prove. A line stops for a failed run only where the "
            "settings say so; an engineer may override that with a reason."
        ),
    ),
    (
        PageRoute("GET", "/page/challenge", show_challenges),
        PageRoute("GET", "/page/challenge/{line}", show_line_challenge),
        PageRoute("GET", "/page/challenge/{line}/pictures/{name}", show_golden_picture),
        PageRoute("GET", "/page/challenge/{line}/runs/{run}", show_run),
        PageRoute("POST", "/page/challenge/{line}/run", ask_run),
        PageRoute("POST", "/page/challenge/{line}/runs/{run}/override", make_override),
        PageRoute("POST", "/page/challenge/{line}/pin", pin_golden),
        PageRoute("POST", "/page/challenge/{line}/unpin", unpin_golden),
    ),
)
