"""What stands before the page's application: who may, from which page a form came, and headers for browsers.

The station has said who asks, and has asked its own table already; the page asks the same table again.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saec.station.page.page_visit import is_own_origin, named_role
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


class PageGuard:
    """The application behind its checks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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

        refused = _refusal(Request(scope))
        await (self._app if refused is None else refused)(scope, receive, send_with_headers)


def _refusal(request: Request) -> Response | None:
    """Why a request is not answered; None where it is."""
    if request.method not in ("GET", "HEAD") and not is_own_origin(request):
        return PlainTextResponse("this form came from another site\n", 403)
    path, role = request.url.path, named_role(request)
    if is_allowed(role, request.method, path):
        return None
    if role is None:
        if request.method == "GET" and path != "/page/events":
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{LOG_IN}?next={quote(path + query)}", 303)
        return PlainTextResponse("log in first\n", 401)
    if route_of(request.method, path) is None:
        return PlainTextResponse("there is no such page\n", 404)
    return PlainTextResponse("your role does not allow this\n", 403)
