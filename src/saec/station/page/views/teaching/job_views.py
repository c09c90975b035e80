"""One job on the page: how far it is, what its program said, and the comparison that it ends with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from saec.station.line.version_store import VersionStore
from saec.station.maintenance.version_comparisons import Comparisons, VersionComparison, concerns_about
from saec.station.page.page_templates import PageTemplates
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role
from saec.station.teaching.job_actions import cancel_job
from saec.station.teaching.job_records import CompareJob, Job, TeachJob
from saec.station.teaching.job_store import JobStore

_LOOK_S = 1.0
"""Seconds between two looks at the jobs' files."""

_LIST = "teach-jobs"
_JOB = "teach-job-"


def show_job(tools: PageTools, visit: Visit) -> Response:
    """A job with its progress, log and comparison.

    Raises:
        JobError: there is no such job.
    """
    job = tools.jobs.find(visit.taken["id"])
    made = _comparison(tools, job)
    return tools.page(
        "teach",
        visit,
        template="teach/job",
        compared=made,
        concerns=() if made is None else concerns_about(made),
        **job_words(tools.jobs, job),
    )


def end_job(tools: PageTools, visit: Visit) -> Response:
    """Cancel a job.

    Raises:
        JobError: there is no such job.
    """
    id = visit.taken["id"]
    cancel_job(tools.jobs, tools.audit, visit.shown, "" if visit.role is None else visit.role.value, id)
    return go_to(f"/page/teach/jobs/{id}")


def job_words(store: JobStore, job: Job) -> dict[str, Any]:
    """What the templates see of a job."""
    return {
        "job": job,
        "progress": store.progress(job.id) if job.state == "running" else None,
        "log": store.log(job.id),
        "ending": job.open and store.is_to_end(job.id),
    }


def _comparison(tools: PageTools, job: Job) -> VersionComparison | None:
    """The comparison of the job's version with the one that judged then; None before there is one."""
    number = job.outcome.version
    if not job.outcome.compared or number is None or not isinstance(job.work, TeachJob | CompareJob):
        return None
    store = VersionStore(tools.settings.station.data / "lines" / job.line)
    return Comparisons(store).find(number, job.work.base)


class JobTopics:
    """The topics ``teach-jobs`` and ``teach-job-ID`` of the page's events; empty for who may not see them.

    Args:
        store: the station's jobs.
        templates: the page's.
        steady: seconds by a clock that is never set.
    """

    def __init__(
        self, store: JobStore, templates: PageTemplates, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._templates, self._steady = store, templates, steady
        self._looked = float("-inf")
        self._now: dict[str, tuple[Any, ...]] = {}

    def every(self) -> list[str]:
        return [_LIST, *(f"{_JOB}{id}" for id in self._now)]

    def changed(self) -> list[str]:
        now = self._steady()
        if now - self._looked < _LOOK_S:
            return []
        self._looked, before = now, self._now
        self._now = {job.id: self._seen(job) for job in self._store.all()}
        news = [f"{_JOB}{id}" for id, seen in self._now.items() if before.get(id) != seen]
        return [_LIST, *news] if news or before.keys() != self._now.keys() else []

    def text(self, name: str, words: Wording, role: Role) -> str:
        if not role.allows(Role.ENGINEER):
            return ""
        if name == _LIST:
            return self._templates.text("teach/jobs.html", words, jobs=self._store.all())
        job = self._store.find(name.removeprefix(_JOB))
        return self._templates.text("teach/job_now.html", words, **job_words(self._store, job))

    def _seen(self, job: Job) -> tuple[Any, ...]:
        if not job.open:
            return (job.state,)
        return job.state, job.starts, self._store.progress(job.id), self._store.is_to_end(job.id)


JOB_ROUTES = (
    PageRoute("GET", "/page/teach/jobs/{id}", show_job),
    PageRoute("POST", "/page/teach/jobs/{id}/cancel", end_job),
)
