"""Lines: the versions of each line, what they were made of, and which one judges."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import VersionChange, change_version
from saec.station.maintenance.version_comparisons import Comparisons, Concern
from saec.station.page.facts.cloud_notice import CloudNotice, cloud_notice
from saec.station.page.facts.line_recipes import line_recipes
from saec.station.page.facts.line_versions import LineVersions, line_versions
from saec.station.page.facts.machine_states import machine_now
from saec.station.page.facts.version_facts import VersionFacts, teaching_of, version_facts
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.views.recipe_choosing import RECIPE_ROUTES, may_choose
from saec.station.page.words.languages import msgid
from saec.station.people.roles import Role

LONGEST_REASON = 1000
"""Letters of a reason."""


def show_lines(tools: PageTools, visit: Visit) -> Response:
    """All lines, each with the version that judges, and the PLCs and couplers."""
    data = tools.settings.station.data
    lines = [line_versions(data, name, tools.feed) for name in tools.lines]
    recipes = {name: line_recipes(data, name, tools.feed) for name in tools.lines}
    return tools.page(
        "lines",
        visit,
        lines=lines,
        may_change=_may_change(visit),
        all_recipes=recipes,
        may_choose=may_choose(visit),
        machine=machine_now(tools.settings, tools.feed),
    )


def show_line(tools: PageTools, visit: Visit) -> Response:
    """One line with all facts of its versions."""
    line = _line(tools, visit)
    store = VersionStore(tools.settings.station.data / "lines" / line.name)
    found: dict[int, VersionFacts] = {}
    problems: dict[int, str] = {}
    for version in line.listed:
        try:
            found[version.number] = version_facts(store.path(version.number), version)
        except (SaecError, OSError) as e:
            problems[version.number] = str(e)
    return tools.page(
        "lines",
        visit,
        template="line",
        line=line,
        facts=found,
        problems=problems,
        teachings={number: teaching_of(one, list(found.items())) for number, one in found.items()},
        may_change=_may_change(visit),
        recipes=line_recipes(tools.settings.station.data, line.name, tools.feed),
        may_choose=may_choose(visit),
    )


def ask_change(tools: PageTools, visit: Visit) -> Response:
    """Ask once more before a change, and for its reason.

    Raises:
        SaecError: there is no such change.
    """
    line = _line(tools, visit)
    what, number = _wish(visit, line)
    notice, problem = None, ""
    if number is not None and what != "line.shadow":
        notice, problem = _foreseen(tools, line, number)
    return tools.page(
        "lines",
        visit,
        template="line_change",
        line=line,
        what=what,
        number=number,
        notice=notice,
        unreadable=problem,
        concerns=_concerns(tools, line.name, number) if what == "line.promote" else (),
        decides=not tools.feed.silent and tools.feed.line(line.name).get("cloud") == "fused",
    )


def make_change(tools: PageTools, visit: Visit) -> Response:
    """Promote, begin or end a shadow, or roll back; the row of the audit is written first.

    Raises:
        SaecError: there is no such change, or the versions are not any more what the person saw.
    """
    line = _line(tools, visit)
    what, number = _wish(visit, line)
    if visit.form.get("seen") != line.seen:
        raise SaecError(
            msgid("Somebody has changed the versions of this line meanwhile"),
            msgid("Look at the line again and decide anew"),
        )
    change_version(
        VersionStore(tools.settings.station.data / "lines" / line.name),
        tools.audit,
        visit.shown,
        "" if visit.role is None else visit.role.value,
        what,
        number,
        visit.form.get("reason", "").strip()[:LONGEST_REASON],
    )
    return go_to(f"/page/lines/{line.name}")


def _foreseen(tools: PageTools, line: LineVersions, number: int) -> tuple[CloudNotice | None, str]:
    """What the cloud will not do with a version, and why the version cannot be read, if it cannot."""
    settings = tools.settings
    store = VersionStore(settings.station.data / "lines" / line.name)
    known = [] if line.state is None else line.state.known
    version = next(one for one in known if one.number == number)
    section = next(one for one in settings.line if one.name == line.name)
    try:
        facts = version_facts(store.path(number), version)
        return cloud_notice(facts.calibration, section, settings), ""
    except (SaecError, OSError) as e:
        return None, str(e)


def _concerns(tools: PageTools, line: str, number: int | None) -> tuple[Concern, ...]:
    """What speaks against a version, so that it is promoted only for a reason."""
    store = VersionStore(tools.settings.station.data / "lines" / line)
    return () if number is None else Comparisons(store).concerns(number)


def _line(tools: PageTools, visit: Visit) -> LineVersions:
    name = visit.taken["line"]
    if name not in tools.lines:
        raise SaecError(msgid("This station has no such line"), msgid("Choose one under Lines"))
    return line_versions(tools.settings.station.data, name, tools.feed)


def _may_change(visit: Visit) -> bool:
    return visit.role is not None and visit.role.allows(Role.ENGINEER)


def _wish(visit: Visit, line: LineVersions) -> tuple[VersionChange, int | None]:
    """What a person wants of a line: the change, and the version; None to end a shadow.

    Raises:
        SaecError: it cannot be wanted.
    """
    named, told = visit.form.get("what", ""), visit.form.get("version", "")
    what: VersionChange | None = next((one for one in get_args(VersionChange) if one == named), None)
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else None
    state = line.state
    if what is None or state is None:
        raise SaecError(msgid("There is no such change"), msgid("Choose one from the page of the line"))
    if what == "line.rollback":
        number = state.previous
    if number is None and what != "line.shadow":
        raise SaecError(msgid("There is no earlier version"), msgid("Promote a version instead"))
    if number is not None and number not in {version.number for version in state.known}:
        raise SaecError(msgid("This line has no such version"), msgid("Choose one from the page of the line"))
    return what, number


LINES = PageView(
    "lines",
    ViewWords(
        msgid("Lines"),
        msgid("See which version of each line judges and what it was made of, and change it."),
        msgid(
            "A version is never changed; a new one is added with “saec station add”. Let it judge as a "
            "shadow first: it judges the same frames and changes no verdict. Promote it when it agrees "
            "with what you know. Rolling back takes the version before again. The station switches "
            "within seconds and judges no frame twice. Figures come from images that the version's "
            "threshold has not seen, with 95 % intervals."
        ),
    ),
    (
        PageRoute("GET", "/page/lines", show_lines),
        PageRoute("GET", "/page/lines/{line}", show_line),
        PageRoute("GET", "/page/lines/{line}/change", ask_change),
        PageRoute("POST", "/page/lines/{line}/change", make_change),
        *RECIPE_ROUTES,
    ),
)
