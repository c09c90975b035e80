"""Teach: an engineer chooses labels, starts jobs, and reads what came of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.line.version_store import VersionStore
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.views.teaching.job_views import JOB_ROUTES
from saec.station.page.words.languages import msgid
from saec.station.teaching.job_actions import start_job
from saec.station.teaching.job_records import CompareJob, Job, Work
from saec.station.teaching.label_choice import LabelChoice, label_choice
from saec.station.teaching.line_base import line_base
from saec.texts import whole_number

LISTED = 200
"""Labels that are shown with their pictures, the newest; the others are taught as well."""

LONGEST_REASON = 1000
"""Letters of a reason."""

_OUT = "out-"


@dataclass(frozen=True, slots=True)
class LineLabels:
    """The labels of a line; None and a problem where it cannot be taught."""

    name: str
    choice: LabelChoice | None
    problem: SaecError | None = None

    @property
    def seen(self) -> str:
        """What is offered, as one word; a form says by it what its person has seen."""
        if self.choice is None:
            return ""
        newest = max((label.n for one in self.choice.offered for label in one.labels), default=0)
        return f"{self.choice.base.number}.{len(self.choice.offered)}.{newest}"


def show_teach(tools: PageTools, visit: Visit) -> Response:
    """All lines with what they can be taught, and the jobs."""
    lines = [_labels(tools, name) for name in tools.lines]
    return tools.page("teach", visit, template="teach/teach", lines=lines, jobs=tools.jobs.all())


def show_teach_line(tools: PageTools, visit: Visit) -> Response:
    """The labels of a line with their pictures, and its versions to compare.

    Raises:
        SaecError: the station has no such line.
    """
    line = _labels(tools, _line(tools, visit))
    section = next(one for one in tools.settings.line if one.name == line.name)
    asks_cloud = tools.settings.cloud is not None and section.cloud
    return tools.page(
        "teach",
        visit,
        template="teach/line",
        line=line,
        listed=LISTED,
        asks_cloud=asks_cloud,
        versions=_others(tools, line),
        open_job=_open_job(tools, line.name),
    )


def start_teaching(tools: PageTools, visit: Visit) -> Response:
    """Begin to teach; the row of the audit is written first.

    Raises:
        SaecError: the labels are not any more what the person saw, none is left, or a job is under way.
    """
    line = _labels(tools, _line(tools, visit))
    if line.choice is None:
        assert line.problem is not None
        raise line.problem
    if visit.form.get("seen") != line.seen:
        raise SaecError(
            msgid("The labels of this line have changed meanwhile"),
            msgid("Look at them again and start anew"),
        )
    work = line.choice.work(_excluded(visit), cloud=visit.form.get("cloud") == "yes")
    return _started(tools, visit, line.name, work)


def start_comparison(tools: PageTools, visit: Visit) -> Response:
    """Begin to compare a version with the one that judges.

    Raises:
        SaecError: there is no such version, or a job is under way.
    """
    name = _line(tools, visit)
    number = whole_number(visit.form.get("version", ""))
    data = tools.settings.station.data
    known = {version.number for version in VersionStore(data / "lines" / name).state().known}
    if number is None or number not in known:
        raise SaecError(msgid("This line has no such version"), msgid("Choose one from the page of the line"))
    base = line_base(data, name)
    recipe = None if base.recipe is None else base.recipe.number
    return _started(tools, visit, name, CompareJob(version=number, base=base.number, recipe=recipe))


def _started(tools: PageTools, visit: Visit, line: str, work: Work) -> Response:
    role = "" if visit.role is None else visit.role.value
    reason = visit.form.get("reason", "").strip()[:LONGEST_REASON]
    job = start_job(tools.jobs, tools.audit, visit.shown, role, line, work, reason)
    return go_to(f"/page/teach/jobs/{job.id}")


def _excluded(visit: Visit) -> Collection[int]:
    told = (whole_number(name.removeprefix(_OUT)) for name in visit.form if name.startswith(_OUT))
    return {seq for seq in told if seq is not None}


def _labels(tools: PageTools, name: str) -> LineLabels:
    try:
        return LineLabels(name, label_choice(tools.settings, tools.review, tools.reader, name))
    except SaecError as e:
        return LineLabels(name, None, e)


def _line(tools: PageTools, visit: Visit) -> str:
    name = visit.taken["line"]
    if name not in tools.lines:
        raise SaecError(msgid("This station has no such line"), msgid("Choose one under Lines"))
    return name


def _others(tools: PageTools, line: LineLabels) -> list[int]:
    """The versions that can be compared with the one that judges, newest first."""
    if line.choice is None:
        return []
    state = VersionStore(tools.settings.station.data / "lines" / line.name).state()
    numbers = sorted((version.number for version in state.known), reverse=True)
    return [number for number in numbers if number != line.choice.base.number]


def _open_job(tools: PageTools, line: str) -> Job | None:
    return next((job for job in tools.jobs.all() if job.open and job.line == line), None)


TEACH = PageView(
    "teach",
    ViewWords(
        msgid("Teach"),
        msgid("Make a better version of a line out of what people answered, and see whether it is better."),
        msgid(
            "Answers to frames that were chosen for it teach the line; answers to frames that were drawn at "
            "random compare its versions, and are never taught. A job does it beside the line, and survives "
            "a restart. It ends with a candidate that judges nothing yet. Let it judge as a shadow, then "
            "promote it, both under Lines. Where it was not compared or does worse, promoting it needs a "
            "reason."
        ),
    ),
    (
        PageRoute("GET", "/page/teach", show_teach),
        *JOB_ROUTES,
        PageRoute("GET", "/page/teach/{line}", show_teach_line),
        PageRoute("POST", "/page/teach/{line}/start", start_teaching),
        PageRoute("POST", "/page/teach/{line}/compare", start_comparison),
    ),
)
