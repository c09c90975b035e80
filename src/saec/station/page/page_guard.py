"""What stands before the page's application: who may, from which page a form came, and headers for browsers.

The station has said who asks, and has asked its own table already; the page asks the same table again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saec.station.page.page_visit import is_own_origin, named_role
from saec.station.page.words.languages import msgid
from saec.station.people.route_roles import is_allowed, route_of

LOG_IN = "/page/login"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers hide whose form it is that they send
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not say otherwise."""


@dataclass(frozen=True, slots=True)
class PageRefusal:
    """Why a person is not answered, and the answer's status."""

    status: int
    what: str
    remedy: str


RefusedView = Callable[[Request, PageRefusal], Awaitable[Response]]


class PageGuard:
    """The application behind its checks.

    Args:
        app: the application.
        refuse: shows a person why nothing was done.
    """

    def __init__(self, app: ASGIApp, refuse: RefusedView) -> None:
        self._app, self._refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        refused = _refusal(request)
        if isinstance(refused, PageRefusal):
            refused = await self._refuse(request, refused)
        await (self._app if refused is None else refused)(scope, receive, send_with_headers)


def _refusal(request: Request) -> Response | PageRefusal | None:
    """Why a request is not answered; None where it is."""
    path, role = request.url.path, named_role(request)
    if request.method not in ("GET", "HEAD") and not is_own_origin(request):
        what = msgid("This form did not come from a page of this station")
        return PageRefusal(403, what, msgid("Open the page anew and send the form from there"))
    if is_allowed(role, request.method, path):
        return None
    if role is None:
        if path == "/page/events":  # a script asks for it, and no person reads the answer
            return PlainTextResponse("log in first\n", 401)
        if request.method == "GET":
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{LOG_IN}?next={quote(path + query)}", 303)
        what = msgid("You have not logged in, or your session has ended")
        return PageRefusal(401, what, msgid("Log in and do it again"))
    if route_of(request.method, path) is None:
        return PageRefusal(404, msgid("There is no such page"), msgid("Choose one from the menu"))
    return PageRefusal(
        403, msgid("Your role does not allow this"), msgid("Ask an administrator for another role")
    )
