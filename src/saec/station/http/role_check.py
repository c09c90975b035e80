"""What a person may ask of the API, by role. A machine's token may ask all of it, as before."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from saec.station.http.page_proxy import logs_in
from saec.station.people.person import Person
from saec.station.people.route_roles import is_allowed, route_of


class RoleCheck:
    """An application that answers a person only what the person's role may ask.

    The page's own addresses are passed on: the page answers them in a person's language. What the table of
    roles does not have, a person is not answered.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        person = scope.get("state", {}).get("person")
        if not isinstance(person, Person) or logs_in(scope["path"]):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if is_allowed(person.role, method, path):
            await self._app(scope, receive, send)
            return
        if route_of(method, path) is None:  # a router may read a path more generously than the table
            await JSONResponse({"error": {"message": "Not Found"}}, 404)(scope, receive, send)
            return
        error = {
            "message": f"the role {person.role} may not do this",
            "remedy": "ask an admin for a role that may",
            "code": "role",
        }
        await JSONResponse({"error": error}, 403)(scope, receive, send)
