"""The page's application: who asks is known from the station; every answer says what a browser may do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache, partial

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from saec.errors import SaecError
from saec.station.audit.audit_log import AuditLog
from saec.station.http.visitor_headers import SCHEME, visitor_in
from saec.station.page.evidence.evidence_jobs import EvidenceJobs
from saec.station.page.facts.audit_topics import AuditTopics
from saec.station.page.facts.chain_checks import ChainChecks
from saec.station.page.facts.line_recipes import RecipeTopics
from saec.station.page.facts.line_versions import VersionTopics
from saec.station.page.facts.machine_states import MachineTopic
from saec.station.page.live.acknowledgements import Acknowledgements
from saec.station.page.live.live_lines import LiveLines, LiveTopics
from saec.station.page.live.open_alarms import AlarmTopics
from saec.station.page.live.page_events import PageEvents
from saec.station.page.numbers.counts_topic import CountsTopic
from saec.station.page.numbers.link_times import LinkTimes
from saec.station.page.page_guard import PageGuard, PageRefusal
from saec.station.page.page_templates import PageTemplates
from saec.station.page.page_tools import PageTools
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit, named_person, named_role, read_form
from saec.station.page.search.replay_runs import ReplayRuns
from saec.station.page.static_files import PREFIX, static_files
from saec.station.page.station_feed import StationFeed
from saec.station.page.views.alarms_view import ALARMS
from saec.station.page.views.audit_view import AUDIT
from saec.station.page.views.challenge.challenge_topics import ChallengeTopics
from saec.station.page.views.challenge.challenge_view import CHALLENGE
from saec.station.page.views.frames_view import FRAMES
from saec.station.page.views.help_view import HELP
from saec.station.page.views.lines_view import LINES
from saec.station.page.views.live_view import LIVE
from saec.station.page.views.log_in import LOG_IN_ROUTES
from saec.station.page.views.numbers_view import NUMBERS
from saec.station.page.views.oidc_routes import OIDC_ROUTES
from saec.station.page.views.own_view import OWN_ROUTES
from saec.station.page.views.people_view import PEOPLE
from saec.station.page.views.quality.quality_view import QUALITY
from saec.station.page.views.review.review_view import REVIEW
from saec.station.page.views.settings_view import SETTINGS
from saec.station.page.views.teaching.job_views import JobTopics
from saec.station.page.views.teaching.teach_view import TEACH
from saec.station.page.words.languages import asked_language, msgid, wording
from saec.station.people.oidc import OidcLogIn
from saec.station.people.people_store import PeopleStore
from saec.station.people.person import Person
from saec.station.people.sessions import Sessions
from saec.station.quality.line_quality import QualityReader
from saec.station.review.review_store import ReviewStore
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.spool_reader import SpoolReader
from saec.station.storage.storage_quota import GIGABYTE
from saec.station.teaching.job_store import JobStore
from saec.web.browser_sessions import COOKIE

VIEWS: tuple[PageView, ...] = (
    LIVE,
    FRAMES,
    REVIEW,
    TEACH,
    LINES,
    CHALLENGE,
    NUMBERS,
    QUALITY,
    ALARMS,
    SETTINGS,
    PEOPLE,
    AUDIT,
    HELP,
)
"""The entries of the navigation, in its order."""

ROUTES: tuple[PageRoute, ...] = (
    *LOG_IN_ROUTES,
    *OIDC_ROUTES,
    *OWN_ROUTES,
    *(route for view in VIEWS for route in view.routes),
)

_FOR_EVER = "public, max-age=31536000, immutable"


def make_page_tools(settings: StationSettings, feed: StationFeed) -> PageTools:
    """What the views of a station's page work with.

    Args:
        settings: the station's.
        feed: how the station does.

    Raises:
        SaecError: there is no spool, or a database of the page is damaged.
    """
    data = settings.station.data
    people, oidc, audit = PeopleStore(data, settings.people), settings.people.oidc, AuditLog(data)
    return PageTools(
        settings=settings,
        feed=feed,
        reader=SpoolReader.beside(data),
        people=people,
        oidc=None if oidc.issuer is None else OidcLogIn(oidc, people),
        sessions=Sessions(data, settings.people),
        audit=audit,
        checks=ChainChecks(audit),
        evidence=EvidenceJobs(data / "page" / "evidence", settings.spool.free_gb * GIGABYTE),
        alarms=Acknowledgements(data / "page"),
        links=LinkTimes(data / "page"),
        live=LiveLines(SpoolReader.beside(data), feed, settings),
        replays=ReplayRuns(settings),
        jobs=JobStore(data),
        quality=QualityReader(data, SpoolReader.beside(data), settings.quality),
        reviews=cache(partial(ReviewStore, data, settings.review)),
        templates=PageTemplates(station=settings.station.name),
        navigation={view.name: view.words for view in VIEWS},
    )


def make_page_events(tools: PageTools) -> PageEvents:
    """Everything of the views that changes without a press."""
    data, feed, templates = tools.settings.station.data, tools.feed, tools.templates
    return PageEvents(
        [
            LiveTopics(tools.live, templates),
            AlarmTopics(SpoolReader.beside(data), tools.alarms, feed, templates),
            CountsTopic(SpoolReader.beside(data)),
            VersionTopics(data, tools.lines, feed, templates),
            RecipeTopics(data, tools.lines, feed, templates),
            ChallengeTopics(tools),
            MachineTopic(tools.settings, feed, templates),
            AuditTopics(tools.checks, tools.evidence, templates),
            JobTopics(tools.jobs, templates),
        ],
        lambda: feed.ended,
    )


def page_app(tools: PageTools, events: PageEvents) -> Starlette:
    """The application over its tools; the routes and what stands before them."""

    @contextlib.asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        looking = asyncio.create_task(events.run())
        yield
        looking.cancel()

    async def start(request: Request) -> Response:
        return RedirectResponse("/page/live", 303)

    async def alive(request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def stream(request: Request) -> Response:
        role = named_role(request)
        if role is None:
            return PlainTextResponse("log in first\n", 401)
        person = await run_in_threadpool(_person, tools, request)
        words = wording(_language(person, request))
        token, name = request.cookies.get(COOKIE, ""), named_person(request)

        async def still() -> bool:
            now = await run_in_threadpool(tools.sessions.person_of, token)
            return now is not None and now.name == name

        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            events.stream(words.language, role, still), 200, headers, "text/event-stream"
        )

    async def static(request: Request) -> Response:
        file = static_files().at(request.url.path)
        if file is None:
            return PlainTextResponse("not found\n", 404)
        return Response(file.data, 200, {"Cache-Control": _FOR_EVER}, file.kind)

    routes = [Route(route.path, _endpoint(tools, route), methods=[route.method]) for route in ROUTES]
    fixed = [
        Route("/", start),
        Route("/page/alive", alive),
        Route("/page/events", stream),
        Route(f"{PREFIX}{{path:path}}", static),
    ]
    app = Starlette(
        routes=[*fixed, *routes],
        lifespan=living,
        middleware=[Middleware(PageGuard, refuse=partial(_refused, tools))],
        exception_handlers={404: partial(_not_found, tools)},
    )
    return app


def _endpoint(tools: PageTools, route: PageRoute) -> Callable[[Request], Awaitable[Response]]:
    """A route as Starlette calls it: the request is read here, the answer is made in a thread."""

    async def answer(request: Request) -> Response:
        try:
            visit = await _visit(tools, request)
        except ValueError as e:
            return PlainTextResponse(f"{e}\n", 400)
        try:
            return await run_in_threadpool(route.show, tools, visit)
        except SaecError as e:
            return await run_in_threadpool(partial(tools.page, "refused", visit, status=409, problem=e))

    return answer


async def _not_found(tools: PageTools, request: Request, error: Exception) -> Response:
    visit = await _visit(tools, request)
    problem = SaecError(msgid("There is no such page"), msgid("Choose one from the menu"))
    return tools.page("refused", visit, status=404, problem=problem)


async def _refused(tools: PageTools, request: Request, refusal: PageRefusal) -> Response:
    """The page's own words and menu for who may not do this; a form that came along is not read."""
    visit = await _visit(tools, request, {})
    problem = SaecError(refusal.what, refusal.remedy)
    shown = partial(tools.page, "refused", visit, status=refusal.status, problem=problem)
    return await run_in_threadpool(shown)


async def _visit(tools: PageTools, request: Request, form: dict[str, str] | None = None) -> Visit:
    """Everything that a view needs of a request; its form is read unless one is given.

    Raises:
        ValueError: the form cannot be read.
    """
    form = await read_form(request) if form is None else form
    person = await run_in_threadpool(_person, tools, request)
    query = f"?{request.url.query}" if request.url.query else ""
    scheme = request.headers.get(SCHEME, request.url.scheme)
    return Visit(
        person="" if person is None else person.name,
        shown="" if person is None else person.shown,
        role=None if person is None else named_role(request),
        address=visitor_in(request.headers).address,
        secure=scheme == "https",
        cookies=request.cookies,
        origin=f"{scheme}://{request.headers.get('host', '')}",
        wording=wording(_language(person, request)),
        form=form,
        at=request.url.path + query,
        taken={name: str(value) for name, value in request.path_params.items()},
    )


def _person(tools: PageTools, request: Request) -> Person | None:
    name = named_person(request)
    return tools.people.find(name) if name else None


def _language(person: Person | None, request: Request) -> str:
    """The person's language; before the log-in that which the address chooses, else the browser's."""
    chosen = person.language if person is not None else request.query_params.get("language")
    return asked_language(chosen, request.headers.get("accept-language", ""))
