"""Log-in by the provider of OpenID Connect: to it, and back from it."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from saec.errors import PeopleError, SaecError
from saec.station.page.page_tools import PageTools
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.views.log_in import log_in_form, start_session
from saec.station.page.words.languages import msgid
from saec.station.people.oidc import OidcLogIn

COOKIE = "saec_oidc"
_MINUTES = 10
_PATH = "/page/oidc"


def begin_oidc(tools: PageTools, visit: Visit) -> Response:
    """Send the browser to the provider."""
    try:
        start = _provider(tools).begin(_way_back(visit))
    except PeopleError as e:
        return log_in_form(tools, visit, problem=e)
    answer = RedirectResponse(start.address, 303)
    answer.set_cookie(
        COOKIE, start.cookie, 60 * _MINUTES, path=_PATH, httponly=True, samesite="lax", secure=visit.secure
    )
    return answer


def finish_oidc(tools: PageTools, visit: Visit) -> Response:
    """Begin a session for whom the provider has vouched.

    A browser that comes from another site brings no strict cookie along on a redirect. So it gets a page that
    goes on by itself.
    """
    try:
        cookie = visit.cookies.get(COOKIE, "")
        person = _provider(tools).finish(cookie, visit.form, _way_back(visit), note=tools.note(visit))
    except PeopleError as e:
        return log_in_form(tools, visit, problem=e)
    answer = tools.page("welcome", visit)
    answer.delete_cookie(COOKIE, path=_PATH)
    start_session(tools, visit, person, answer)
    return answer


def _provider(tools: PageTools) -> OidcLogIn:
    if tools.oidc is None:
        raise SaecError(
            msgid("This station knows no provider of OpenID Connect"), msgid("Log in by password")
        )
    return tools.oidc


def _way_back(visit: Visit) -> str:
    return f"{visit.origin}{_PATH}/callback"


OIDC_ROUTES = (
    PageRoute("GET", f"{_PATH}/start", begin_oidc),
    PageRoute("GET", f"{_PATH}/callback", finish_oidc),
)
