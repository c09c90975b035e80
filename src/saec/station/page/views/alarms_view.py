"""Alarms: what a person should know, and who has seen it."""

from __future__ import annotations

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.page.live.open_alarms import judged_alarms, with_courses
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.people.roles import Role


def show_alarms(tools: PageTools, visit: Visit) -> Response:
    """The list; new ones come by events."""
    return tools.page(
        "alarms",
        visit,
        alarms=with_courses(judged_alarms(tools.reader, tools.alarms), tools.feed),
        may_acknowledge=visit.role is not None and visit.role.allows(Role.OPERATOR),
    )


def acknowledge_alarm(tools: PageTools, visit: Visit) -> Response:
    """Note that a person has seen an alarm, up to the number that the person saw.

    Raises:
        SaecError: the form names no alarm that there is.
    """
    kind, about, n = (visit.form.get(name, "") for name in ("kind", "about", "n"))
    named = [one for one in judged_alarms(tools.reader, tools.alarms) if one.alarm.kind == kind]
    found = next((one for one in named if one.alarm.about == about), None)
    if found is None or not n.isdecimal() or len(n) > 18:
        raise SaecError(msgid("This alarm is not among the last ones any more"), msgid("Load the page again"))
    seen = min(int(n), found.alarm.n)
    if found.done is None or found.done.n < seen:
        tools.note(visit)("alarm.acknowledge", f"{kind} {about}".strip(), None, {"n": seen})
        tools.alarms.acknowledge(found.alarm, seen, visit.shown)
    return go_to("/page/alarms")


ALARMS = PageView(
    "alarms",
    ViewWords(
        msgid("Alarms"),
        msgid("See what needs a person, and acknowledge it under your name."),
        msgid(
            "An alarm is open until somebody acknowledges it. If it comes again later, it is open "
            "again. Where the station can tell, the alarm says whether its cause goes on or is over. "
            "Press the sound button once to hear alarms; browsers allow no sound before."
        ),
    ),
    (
        PageRoute("GET", "/page/alarms", show_alarms),
        PageRoute("POST", "/page/alarms/acknowledge", acknowledge_alarm),
    ),
)
