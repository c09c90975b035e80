"""Every route of the API stands in the table of roles, and reading is for viewers, changing for engineers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

from saec.station.http import page_proxy
from saec.station.http.api import make_station_app
from saec.station.people.roles import Role
from saec.station.people.route_roles import ROUTE_ROLES, is_allowed
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from saec.web.http_settings import HttpSettings

OPEN = {"GET /health", "GET /ready"}


def found(routes: list[BaseRoute]) -> Iterator[Route]:
    """Routes, those of routers within included."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        else:  # a router that was included; FastAPI names its type to nobody
            yield from found(vars(route)["original_router"].routes)


@pytest.fixture(scope="module")
def routes() -> list[str]:
    """Method and path of each route that does not go through to the page."""
    admission = AdmissionControl(HttpSettings(), Tokens(None), "127.0.0.1:0")
    station: Any = SimpleNamespace(stuck=list, states=list)
    app: Any = make_station_app(station, admission)
    while not isinstance(app, FastAPI):  # what stands before it
        app = app._app
    return [
        f"{method} {route.path}"
        for route in found(app.routes)
        if route.endpoint.__module__ != page_proxy.__name__
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def test_every_route_has_its_role(routes: list[str]) -> None:
    assert len(routes) > 9
    assert [route for route in routes if route not in ROUTE_ROLES] == []


DAILY = {
    "POST /v1/lines/{line}/recipe",
    "POST /v1/lines/{line}/challenge",
    "POST /v1/frames/{id}/label",
    "POST /v1/review/take",
    "POST /v1/review/undo",
    "POST /v1/review/release",
}
"""What an operator changes, whose daily work it is."""

NAMES = {"GET /v1/review/labels"}
"""What says who did what."""


@pytest.mark.parametrize("role", [None, *Role])
def test_reading_is_for_viewers_daily_work_for_operators_and_the_rest_for_engineers(
    routes: list[str], role: Role | None
) -> None:
    for route in routes:
        method, path = route.split(" ")
        reads = method == "GET" and route not in NAMES
        needed = Role.VIEWER if reads else Role.OPERATOR if route in DAILY else Role.ENGINEER
        allowed = route in OPEN or (role is not None and role.allows(needed))
        assert (
            is_allowed(role, method, path.replace("{id}", "a-0000000001").replace("{line}", "a")) == allowed
        )
