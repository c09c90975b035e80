"""Which role each route of the API and of the page needs: one table. What is not in it is nobody's.

A new route has its line here; a test walks the routes of both applications.
"""

from __future__ import annotations

import re
from functools import cache

from saec.station.people.roles import Role

OPEN = None
"""Needs no log-in: health, and what a log-in itself is made of."""

ROUTE_ROLES: dict[str, Role | None] = {
    # the API
    "GET /health": OPEN,
    "GET /ready": OPEN,
    "GET /metrics": Role.VIEWER,
    "GET /openapi.json": Role.VIEWER,
    "GET /v1/status": Role.VIEWER,
    "GET /v1/alarms": Role.VIEWER,
    "GET /v1/counts": Role.VIEWER,
    "GET /v1/frames": Role.VIEWER,
    "GET /v1/frames/{id}": Role.VIEWER,
    "GET /v1/frames/{id}/image": Role.VIEWER,
    "GET /v1/frames/{id}/map": Role.VIEWER,
    "GET /v1/parts/{part:path}": Role.VIEWER,
    "POST /v1/lines/{line}/frames": Role.ENGINEER,
    "GET /v1/lines/{line}/rates": Role.VIEWER,
    "GET /v1/lines/{line}/recipe": Role.VIEWER,
    "POST /v1/lines/{line}/recipe": Role.OPERATOR,
    "GET /v1/lines/{line}/challenge": Role.VIEWER,
    "POST /v1/lines/{line}/challenge": Role.OPERATOR,
    "POST /v1/lines/{line}/challenge/override": Role.ENGINEER,
    "POST /v1/frames/{id}/label": Role.OPERATOR,
    "GET /v1/review": Role.VIEWER,
    "POST /v1/review/take": Role.OPERATOR,
    "POST /v1/review/undo": Role.OPERATOR,
    "POST /v1/review/release": Role.OPERATOR,
    "GET /v1/review/labels": Role.ENGINEER,
    "GET /v1/review/{id}/image": Role.VIEWER,
    # the page
    "GET /": Role.VIEWER,
    "GET /page/login": OPEN,
    "POST /page/login": OPEN,
    "POST /page/logout": Role.VIEWER,
    "GET /page/setup": OPEN,
    "POST /page/setup": OPEN,
    "GET /page/oidc/start": OPEN,
    "GET /page/oidc/callback": OPEN,
    "GET /page/static/{path:path}": OPEN,
    "GET /page/alive": OPEN,
    "GET /page/events": Role.VIEWER,
    "POST /page/language": Role.VIEWER,
    "GET /page/live": Role.VIEWER,
    "GET /page/frames": Role.VIEWER,
    "GET /page/frames/{id}": Role.VIEWER,
    "POST /page/frames/{id}/replay": Role.ENGINEER,
    "POST /page/frames/{id}/label": Role.OPERATOR,
    "GET /page/review": Role.OPERATOR,
    "GET /page/review/tasks": Role.OPERATOR,
    "POST /page/review/answer": Role.OPERATOR,
    "POST /page/review/undo": Role.OPERATOR,
    "GET /page/review/picture/{seq}": Role.OPERATOR,
    "GET /page/review/labels": Role.ENGINEER,
    "POST /page/review/second": Role.ENGINEER,
    "GET /page/teach": Role.ENGINEER,
    "GET /page/teach/jobs/{id}": Role.ENGINEER,
    "POST /page/teach/jobs/{id}/cancel": Role.ENGINEER,
    "GET /page/teach/{line}": Role.ENGINEER,
    "POST /page/teach/{line}/start": Role.ENGINEER,
    "POST /page/teach/{line}/compare": Role.ENGINEER,
    "GET /page/numbers": Role.VIEWER,
    "GET /page/numbers/table.csv": Role.VIEWER,
    "GET /page/quality": Role.VIEWER,
    "GET /page/alarms": Role.VIEWER,
    "POST /page/alarms/acknowledge": Role.OPERATOR,
    "GET /page/lines": Role.VIEWER,
    "GET /page/lines/{line}": Role.VIEWER,
    "GET /page/lines/{line}/change": Role.ENGINEER,
    "POST /page/lines/{line}/change": Role.ENGINEER,
    "GET /page/lines/{line}/recipe": Role.OPERATOR,
    "POST /page/lines/{line}/recipe": Role.OPERATOR,
    "GET /page/challenge": Role.VIEWER,
    "GET /page/challenge/{line}": Role.VIEWER,
    "GET /page/challenge/{line}/pictures/{name}": Role.VIEWER,
    "GET /page/challenge/{line}/runs/{run}": Role.VIEWER,
    "POST /page/challenge/{line}/run": Role.OPERATOR,
    "POST /page/challenge/{line}/runs/{run}/override": Role.ENGINEER,
    "POST /page/challenge/{line}/pin": Role.ENGINEER,
    "POST /page/challenge/{line}/unpin": Role.ENGINEER,
    "GET /page/settings": Role.ENGINEER,
    "GET /page/people": Role.ADMIN,
    "POST /page/people": Role.ADMIN,
    "GET /page/people/{name}": Role.ADMIN,
    "POST /page/people/{name}/role": Role.ADMIN,
    "POST /page/people/{name}/state": Role.ADMIN,
    "POST /page/people/{name}/password": Role.ADMIN,
    "GET /page/people/{name}/remove": Role.ADMIN,
    "POST /page/people/{name}/remove": Role.ADMIN,
    "GET /page/audit": Role.ENGINEER,
    "POST /page/audit/verify": Role.ENGINEER,
    "POST /page/audit/evidence": Role.ADMIN,
    "GET /page/audit/evidence/{id}": Role.ADMIN,
    "GET /page/me": Role.VIEWER,
    "POST /page/me/password": Role.VIEWER,
    "POST /page/me/sessions": Role.VIEWER,
    "GET /page/help": Role.VIEWER,
}
"""Method and path, as the application declares it, and the role; HEAD is as GET."""


def is_allowed(role: Role | None, method: str, path: str) -> bool:
    """Whether a person of a role may ask this.

    Args:
        role: None for somebody who has not logged in.
        method: such as "GET".
        path: the one of the request, such as "/v1/frames/leather-0000000001".
    """
    route = route_of(method, path)
    if route is None:
        return False
    needed = ROUTE_ROLES[route]
    return needed is OPEN or (role is not None and role.allows(needed))


def needs_no_login(method: str, path: str) -> bool:
    """Whether the route of a request is open to somebody who has not logged in."""
    return is_allowed(None, method, path)


def route_of(method: str, path: str) -> str | None:
    """The line of the table that a request falls under; None where there is none."""
    asked = f"{'GET' if method == 'HEAD' else method} {path}"
    if asked in ROUTE_ROLES and "{" not in asked:
        return asked
    return next((route for route in ROUTE_ROLES if "{" in route and _pattern(route).fullmatch(asked)), None)


@cache
def _pattern(route: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+(:path)?\}", route)  # text, kind of what is between, text, ...
    found = [re.escape(parts[0])]
    for kind, text in zip(parts[1::2], parts[2::2], strict=True):
        found += [".+" if kind else "[^/]+", re.escape(text)]
    return re.compile("".join(found))
