"""The table of routes: every route of the API stands in it, and each role gets what it says."""

from __future__ import annotations

from itertools import product

import pytest

from saec.station.people.roles import Role
from saec.station.people.route_roles import ROUTE_ROLES, is_allowed, needs_no_login, route_of

ROLES = [None, *Role]


@pytest.mark.parametrize(("route", "role"), list(product(ROUTE_ROLES, ROLES)))
def test_each_role_gets_what_it_and_those_before_it_may(route: str, role: Role | None) -> None:
    method, path = route.split(" ")
    path = (
        path.replace("{path:path}", "css/page.css")
        .replace("{id}", "line-0000000001")
        .replace("{line}", "line")
    )
    assert route_of(method, path) == route
    needed = ROUTE_ROLES[route]
    expected = needed is None or (role is not None and ROLES.index(role) >= ROLES.index(needed))
    assert is_allowed(role, method, path) == expected
    assert needs_no_login(method, path) == (needed is None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/frames/a-0000000001"),
        ("POST", "/v1/frames"),
        ("GET", "/v1/frames/a/b"),
        ("GET", "/v1/frames/"),
        ("GET", "/v1/frames/{id}/more"),
        ("GET", "/page/login/x"),
        ("GET", "/page/static/"),
        ("get", "/page/login"),
        ("GET", "/page/login\n"),
        ("GET", ""),
    ],
)
def test_what_is_not_in_the_table_is_nobody_s(method: str, path: str) -> None:
    assert route_of(method, path) is None
    assert not any(is_allowed(role, method, path) for role in ROLES)


def test_head_is_as_get() -> None:
    assert is_allowed(Role.VIEWER, "HEAD", "/v1/status")
    assert not is_allowed(None, "HEAD", "/v1/status")
