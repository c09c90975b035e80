"""Log-in, log-out, the first admin, and a person's language."""

from __future__ import annotations

from starlette.responses import Response

from saec.errors import PeopleError
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit, own_place
from saec.station.page.words.languages import LANGUAGES, msgid
from saec.station.people.person import Person
from saec.web.browser_sessions import COOKIE

_LONGEST_PASSWORD = 1024


def show_log_in(tools: PageTools, visit: Visit) -> Response:
    """The form; on a station without people the way to the first admin."""
    if tools.people.needs_setup():
        return go_to("/page/setup")
    if visit.role is not None:
        return go_to(own_place(visit.form.get("next", "")))
    return log_in_form(tools, visit)


def log_in(tools: PageTools, visit: Visit) -> Response:
    """Begin a session."""
    name, password = visit.form.get("name", ""), visit.form.get("password", "")[:_LONGEST_PASSWORD]
    try:
        person = tools.people.log_in(name, password, visit.address, note=tools.note(visit))
    except PeopleError as e:
        return log_in_form(tools, visit, problem=e, name=name)
    return _welcome(tools, visit, person)


def log_out(tools: PageTools, visit: Visit) -> Response:
    """End the session."""
    tools.sessions.end(visit.cookies.get(COOKIE, ""))
    answer = go_to("/page/login")
    answer.delete_cookie(COOKIE, path="/")
    return answer


def show_setup(tools: PageTools, visit: Visit) -> Response:
    """The form for the first admin."""
    if not tools.people.needs_setup():
        return go_to("/page/login")
    return tools.page("setup", visit, problem=None, code=visit.form.get("code", ""), name="")


def set_up(tools: PageTools, visit: Visit) -> Response:
    """Make the first admin and begin a session."""
    code, name, password = (visit.form.get(field, "") for field in ("code", "name", "password"))
    try:
        if password != visit.form.get("again", ""):
            raise PeopleError(msgid("The two passwords differ"), msgid("Type the same password twice"))
        person = tools.people.set_up(code.strip(), name, password, note=tools.note(visit))
    except PeopleError as e:
        return tools.page("setup", visit, status=400, problem=e, code=code, name=name)
    return _welcome(tools, visit, person)


def choose_language(tools: PageTools, visit: Visit) -> Response:
    """Keep a person's language."""
    language = visit.form.get("language", "")
    tools.people.set_language(visit.person, language if language in LANGUAGES else None)
    return go_to(own_place(visit.form.get("next", "")))


def log_in_form(
    tools: PageTools, visit: Visit, *, problem: PeopleError | None = None, name: str = ""
) -> Response:
    """The form, with what was wrong before."""
    status = 200 if problem is None else 401
    place = own_place(visit.form.get("next", ""))
    return tools.page("login", visit, status=status, problem=problem, name=name, next=place, oidc=tools.oidc)


def _welcome(tools: PageTools, visit: Visit, person: Person) -> Response:
    answer = go_to(own_place(visit.form.get("next", "")))
    start_session(tools, visit, person, answer)
    return answer


def start_session(tools: PageTools, visit: Visit, person: Person, answer: Response) -> None:
    """Begin a session, and have the browser keep its token."""
    token = tools.sessions.start(person)
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict", secure=visit.secure)


LOG_IN_ROUTES = (
    PageRoute("GET", "/page/login", show_log_in),
    PageRoute("POST", "/page/login", log_in),
    PageRoute("POST", "/page/logout", log_out),
    PageRoute("GET", "/page/setup", show_setup),
    PageRoute("POST", "/page/setup", set_up),
    PageRoute("POST", "/page/language", choose_language),
)
