"""A person's own page: language, password, sessions."""

from __future__ import annotations

from starlette.responses import Response

from saec.errors import LogInError, PeopleError
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.views.log_in import start_session
from saec.station.page.views.people_view import check_twice, typed
from saec.station.page.words.languages import msgid
from saec.web.browser_sessions import COOKIE


def show_own(tools: PageTools, visit: Visit) -> Response:
    """What a person may change of itself."""
    return _own(tools, visit)


def change_own_password(tools: PageTools, visit: Visit) -> Response:
    """Set the own password, for who knows the old one; the other sessions end, this one begins anew.

    A wrong old password counts as one at the log-in: whoever sits before somebody's open page guesses no
    faster here.
    """
    try:
        check_twice(visit)
        try:
            person = tools.people.log_in(visit.person, typed(visit, "old"), visit.address)
        except LogInError as e:
            what = msgid("The old password is wrong, or was wrong too often")
            raise PeopleError(what, e.remedy) from e
        tools.people.set_password(visit.person, typed(visit, "password"), note=tools.note(visit))
    except PeopleError as e:
        return _own(tools, visit, e)
    answer = go_to("/page/me?done=password")
    start_session(tools, visit, person, answer)
    return answer


def end_own_sessions(tools: PageTools, visit: Visit) -> Response:
    """Log out everywhere, here as well."""
    tools.note(visit)("person.log_out", visit.shown, None, {"sessions": "all"})
    tools.sessions.end_all(visit.person)
    answer = go_to("/page/login")
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _own(tools: PageTools, visit: Visit, problem: PeopleError | None = None) -> Response:
    person = tools.people.find(visit.person)
    return tools.page(
        "me",
        visit,
        status=200 if problem is None else 400,
        person=person,
        problem=problem,
        done=visit.form.get("done", ""),
    )


OWN_ROUTES = (
    PageRoute("GET", "/page/me", show_own),
    PageRoute("POST", "/page/me/password", change_own_password),
    PageRoute("POST", "/page/me/sessions", end_own_sessions),
)
