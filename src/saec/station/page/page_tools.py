"""What the views of the page work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response

from saec.station.audit.audit_log import AuditLog
from saec.station.page.evidence.evidence_jobs import EvidenceJobs
from saec.station.page.facts.chain_checks import ChainChecks
from saec.station.page.live.acknowledgements import Acknowledgements
from saec.station.page.live.live_lines import LiveLines
from saec.station.page.numbers.link_times import LinkTimes
from saec.station.page.page_templates import PageTemplates
from saec.station.page.page_visit import Visit
from saec.station.page.search.replay_runs import ReplayRuns
from saec.station.page.station_feed import StationFeed
from saec.station.people.oidc import OidcLogIn
from saec.station.people.people_audit import audited
from saec.station.people.people_store import PeopleStore
from saec.station.people.person import Note
from saec.station.people.route_roles import is_allowed
from saec.station.people.sessions import Sessions
from saec.station.quality.line_quality import QualityReader
from saec.station.review.review_store import ReviewStore
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.spool_reader import SpoolReader
from saec.station.teaching.job_store import JobStore


@dataclass(frozen=True, slots=True)
class ViewWords:
    """What a view says of itself, in English (``msgid``).

    Attributes:
        title: one word.
        purpose: one sentence that says what it is for.
        help: what a person should know who uses it first.
    """

    title: str
    purpose: str
    help: str


@dataclass(frozen=True, slots=True)
class PageTools:
    """What the views work with.

    Attributes:
        oidc: log-ins by a provider; None without one.
        reader: reads the spool beside the station; never writes it.
        alarms: which alarms were acknowledged.
        links: how the lines' links were.
        live: the lines as they are now.
        checks: those of the audit's chain.
        evidence: files of evidence that are made or kept.
        replays: judges recorded frames again.
        jobs: what is taught, fitted and compared beside the line.
        quality: reads how well the lines judge.
        reviews: opens what people answered and what waits for them, once.
        navigation: the views by name, in their order.
    """

    settings: StationSettings
    feed: StationFeed
    reader: SpoolReader
    people: PeopleStore
    sessions: Sessions
    oidc: OidcLogIn | None
    audit: AuditLog
    alarms: Acknowledgements
    links: LinkTimes
    live: LiveLines
    checks: ChainChecks
    evidence: EvidenceJobs
    replays: ReplayRuns
    jobs: JobStore
    quality: QualityReader
    reviews: Callable[[], ReviewStore]
    templates: PageTemplates
    navigation: Mapping[str, ViewWords]

    @property
    def review(self) -> ReviewStore:
        """What people answered, and what waits for them.

        Raises:
            ReviewError: its database is damaged; the other views go on.
        """
        return self.reviews()

    @property
    def lines(self) -> list[str]:
        """The names of the lines, as the settings list them."""
        return [line.name for line in self.settings.line]

    def page(
        self, view: str, visit: Visit, *, status: int = 200, template: str | None = None, **shown: Any
    ) -> Response:
        """A whole page.

        Args:
            view: the view that it belongs to.
            status: the answer's.
            template: the template's name without its ending; None takes that of the view.
            shown: what the template sees.
        """
        allowed = [
            (name, words.title)
            for name, words in self.navigation.items()
            if is_allowed(visit.role, "GET", f"/page/{name}")
        ]
        words = self.navigation.get(view)
        text = self.templates.text(
            f"{template or view}.html",
            visit.wording,
            view=view,
            title="" if words is None else words.title,
            purpose="" if words is None else words.purpose,
            visit=visit,
            navigation=allowed,
            status=self.feed.status,
            **shown,
        )
        return HTMLResponse(text, status)

    def note(self, visit: Visit, reason: str = "") -> Note:
        """Records in the audit what a person does: what, about whom or what, before, after."""
        role = "" if visit.role is None else visit.role.value
        return audited(self.settings.station.data, visit.shown or None, role, reason)


def go_to(place: str) -> Response:
    """Have the browser ask for another page, after a form."""
    return RedirectResponse(place, 303)
