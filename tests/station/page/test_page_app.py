"""The page's application: who gets in, what a browser is told, and that what comes from outside is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.page.page_visit import own_place
from saec.station.page.static_files import static_files
from saec.station.people.roles import Role
from saec.station.people.route_roles import ROUTE_ROLES, is_allowed
from saec.types import Explanation
from tests.station.page.page_fakes import HERE, PASSWORD, PageBench, as_role

VIEWS = ("live", "frames", "numbers", "alarms", "help")


def routes(bench: PageBench) -> Iterator[str]:
    for route in bench.app.routes:
        assert isinstance(route, Route)
        yield from (f"{method} {route.path}" for method in sorted((route.methods or set()) - {"HEAD"}))


def test_every_route_stands_in_the_table_of_roles(bench: PageBench) -> None:
    assert [route for route in routes(bench) if route not in ROUTE_ROLES] == []


def test_each_role_is_let_in_where_the_table_says_and_nowhere_else(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    for route in routes(bench):
        method, path = route.split(" ")
        if path == "/page/events" or "{" in path:
            continue
        for role in (None, *Role):
            headers = {"Origin": HERE} if role is None else as_role(role)
            answer = client.request(method, path, headers=headers)
            refused = answer.status_code in (401, 403) or "/page/login?next" in answer.headers.get(
                "location", ""
            )
            wrong_password = path == "/page/login" and method == "POST"
            assert wrong_password or refused is not is_allowed(role, method, path), (route, role)


def test_who_has_not_logged_in_is_sent_to_the_form_and_comes_back(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    sent = client.get("/page/alarms?x=1")
    assert (sent.status_code, sent.headers["location"]) == (303, "/page/login?next=/page/alarms%3Fx%3D1")
    form = client.get(sent.headers["location"]).text
    assert 'name="next" value="/page/alarms?x=1"' in form
    fields = {"name": "operator", "password": PASSWORD, "next": "/page/alarms?x=1"}
    back = client.post("/page/login", data=fields, headers={"Origin": HERE})
    assert (back.status_code, back.headers["location"]) == (303, "/page/alarms?x=1")
    cookie = back.headers["set-cookie"].lower()
    assert "saec_session=" in cookie
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert "secure" not in cookie
    secure = client.post("/page/login", data=fields, headers={"Origin": HERE, "X-Forwarded-Proto": "https"})
    assert "secure" in secure.headers["set-cookie"].lower()


def test_a_wrong_password_is_said_and_begins_no_session(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    answer = client.post("/page/login", data={"name": "<b>x", "password": "no"}, headers={"Origin": HERE})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "name or password is wrong" in answer.text
    assert "<b>x" not in answer.text


def test_the_first_admin_is_made_with_the_code_alone(bench: PageBench, client: TestClient) -> None:
    assert client.get("/page/login").headers["location"] == "/page/setup"
    code = bench.people.setup.current()
    assert code is not None
    fields = {"name": "Anna", "password": PASSWORD, "again": PASSWORD}
    wrong = client.post("/page/setup", data=fields | {"code": "x" * 32}, headers={"Origin": HERE})
    assert wrong.status_code == 400
    assert bench.people.all() == []
    differ = client.post("/page/setup", data=fields | {"code": code, "again": "y"}, headers={"Origin": HERE})
    assert "The two passwords differ" in differ.text
    made = client.post("/page/setup", data=fields | {"code": code}, headers={"Origin": HERE})
    assert (made.status_code, made.headers["location"]) == (303, "/page/live")
    assert [person.role for person in bench.people.all()] == [Role.ADMIN]
    assert client.get("/page/setup").headers["location"] == "/page/login"
    assert [row.what for row in AuditLog(bench.data).rows()] == ["person.add"]


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere", f"{HERE}:81"])
def test_a_form_of_another_site_is_refused(bench: PageBench, client: TestClient, origin: str | None) -> None:
    bench.add_people()
    headers = as_role(Role.ADMIN)
    del headers["Origin"]
    if origin is not None:
        headers["Origin"] = origin
    answer = client.post("/page/language", data={"language": "de"}, headers=headers)
    assert answer.status_code == 403
    assert "This form did not come from a page of this station" in answer.text
    assert 'class="views"' in answer.text
    assert '<option value="en" selected>' in answer.text


def test_a_form_without_a_session_is_answered_in_the_browser_s_language_with_a_way_to_log_in(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    fields = {"kind": "sink", "about": "mes", "n": "1"}
    headers = {"Origin": HERE, "Accept-Language": "de"}
    answer = client.post("/page/alarms/acknowledge", data=fields, headers=headers)
    assert answer.status_code == 401
    assert '<html lang="de">' in answer.text
    assert "Sie sind nicht angemeldet, oder Ihre Sitzung ist zu Ende" in answer.text
    assert 'href="/page/live">Anmelden</a>' in answer.text
    assert 'class="views"' not in answer.text
    stream = client.get("/page/events")
    assert (stream.status_code, stream.text) == (401, "log in first\n")


@pytest.mark.parametrize("view", [*VIEWS, "lines", "settings", "people", "people/admin", "audit", "me"])
def test_answers_say_what_a_browser_may_do_and_have_no_inline_code(
    bench: PageBench, client: TestClient, view: str
) -> None:
    bench.add_people()
    answer = client.get(f"/page/{view}", headers=as_role(Role.ADMIN))
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", answer.text)


def test_static_files_may_be_kept_for_ever_and_carry_htmx(client: TestClient) -> None:
    for name, starts in (("htmx.js", "var htmx"), ("sse.js", "("), ("page.css", "/*"), ("alarm.wav", "RIFF")):
        answer = client.get(static_files().address(name))
        assert answer.status_code == 200
        assert answer.content.startswith(starts.encode())
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/page/static/page.0000.css").status_code == 404
    assert client.get("/page/static/../page_app.py").status_code in (303, 404)


hostile = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=60).map(
    lambda text: f"<script>alert(1)</script>\"'><img src=x onerror=y>{text}"
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=hostile, words=hostile, kind=hostile)
def test_what_comes_from_outside_is_text(
    tmp_path_factory: pytest.TempPathFactory, name: str, words: str, kind: str
) -> None:
    bench = PageBench(Path(tmp_path_factory.mktemp("page")), name=f"<i>{kind[:20]}")
    try:
        bench.people.add("Eve O'Hara", Role.OPERATOR, PASSWORD)
        bench.judge(label=1, name=name, kind=kind, words=Explanation(kind, words))
        bench.spool.alarm("sink", words, about=name)
        bench.told["problems"] = [words]
        bench.feed.update(bench.told)
        with TestClient(bench.app) as client:
            for view in VIEWS:
                answer = client.get(
                    f"/page/{view}", headers={"X-SAEC-Person": "Eve O'Hara", "X-SAEC-Role": "operator"}
                )
                assert answer.status_code == 200
                assert "<script>alert" not in answer.text
                assert "<img src=x" not in answer.text
                assert "<i>" not in answer.text
            live = client.get(
                "/page/live", headers={"X-SAEC-Person": "Eve O'Hara", "X-SAEC-Role": "operator"}
            )
            assert "<script>alert(1)</script>" in unescape(live.text)
    finally:
        bench.close()


@pytest.mark.parametrize(
    "place",
    [
        "//evil",
        "https://evil",
        "/page/\\evil",
        "/page//evil",
        "javascript:x",
        "/v1/frames",
        "/page/\nx",
        "",
        "/page/ü",
    ],
)
def test_a_form_goes_on_inside_the_page_alone(place: str) -> None:
    assert own_place(place) == "/page/live"
    assert own_place("/page/frames?line=a&label=defect") == "/page/frames?line=a&label=defect"


def test_a_language_is_kept_with_the_person_and_else_the_browser_s(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    asked = as_role(Role.VIEWER, **{"Accept-Language": "fr, zh-CN;q=0.8"})
    assert '<html lang="zh-Hans">' in client.get("/page/help", headers=asked).text
    chosen = client.post("/page/language", data={"language": "de", "next": "/page/help"}, headers=asked)
    assert chosen.headers["location"] == "/page/help"
    assert '<html lang="de">' in client.get("/page/help", headers=asked).text
    assert '<html lang="de">' in client.get("/page/login?language=de").text


def test_who_is_refused_sees_why_in_the_own_language_and_the_menu(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    bench.people.set_language("viewer", "de")
    for method, path, status in (
        ("GET", "/page/people", 403),
        ("GET", "/page/lines/bottle/change", 403),
        ("POST", "/page/people", 403),
        ("GET", "/page/nothing", 404),
    ):
        answer = client.request(method, path, headers=as_role(Role.VIEWER))
        assert answer.status_code == status
        assert 'class="views"' in answer.text
        said = "Ihre Rolle erlaubt das nicht" if status == 403 else "Diese Seite gibt es nicht"
        assert said in answer.text
        assert "/page/people" not in answer.text.partition('class="views"')[2].partition("</nav>")[0]


def test_what_there_is_not_is_said(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    assert client.get("/page/nothing", headers=as_role(Role.ADMIN)).status_code == 404
    assert client.get("/page/alive").text == "alive\n"
    assert client.get("/", headers=as_role(Role.VIEWER)).headers["location"] == "/page/live"
