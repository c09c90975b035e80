"""A person logs in by a provider of OpenID Connect, as a browser does it: out to it, and back to Live."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread
from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.people.people_settings import OidcSettings, PeopleSettings
from saec.station.people.roles import Role
from saec.web.browser_sessions import COOKIE
from tests.station.page.page_fakes import HERE, PageBench, StationFront

START, BACK, LIVE = "/page/oidc/start", "/page/oidc/callback", "/page/live"
UNDER_WAY = "saec_oidc"
USERS = (
    User(sub="1", claims={"preferred_username": "anna", "groups": ["cooks", "process"]}),
    User(sub="2", claims={"preferred_username": "bob", "groups": ["staff"]}),
    User(sub="3", claims={"preferred_username": "eve", "groups": ["cooks"]}),
)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with run_server_in_thread(user_claims=USERS, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


def beside(provider: str, folder: Path) -> PageBench:
    """A page that knows a provider, on a station with people."""
    secret = folder / "secret"
    secret.write_text("a secret of the client\n")
    roles = {"staff": Role.OPERATOR, "process": Role.ENGINEER}
    oidc = OidcSettings(issuer=provider, client_id="cell-3", client_secret_file=secret, roles=roles)
    bench = PageBench(folder, people=PeopleSettings(oidc=oidc))
    bench.add_people(password=None)
    return bench


@pytest.fixture
def bench(provider: str, tmp_path: Path) -> Iterator[PageBench]:
    made = beside(provider, tmp_path)
    yield made
    made.close()


@pytest.fixture
def browser(bench: PageBench) -> TestClient:
    """Asks the station, keeps cookies, and follows no redirect."""
    return TestClient(StationFront(bench), HERE, follow_redirects=False)


def sent_back(browser: TestClient, sub: str) -> str:
    """Begin at the page, let the provider vouch for somebody, and say where it sends the browser back to."""
    out = browser.get(START)
    assert out.status_code == 303
    form = {"action": "deny"} if not sub else {"sub": sub}
    answer = httpx.post(out.headers["location"], data=form, trust_env=False)
    assert answer.is_redirect, answer.text
    back: str = answer.headers["location"]
    if not sub:  # this provider leaves out the state where it refuses, which RFC 6749 asks for
        back += f"&state={browser.cookies[UNDER_WAY].partition('.')[0]}"
    assert back.startswith(f"{HERE}{BACK}?")
    return back


def cookies_set(answer: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets, with what it says of them."""
    return {text.partition("=")[0]: text.lower() for text in answer.headers.get_list("set-cookie")}


def is_outside(browser: TestClient) -> bool:
    """Whether this browser is sent to the log-in."""
    answer = browser.get(LIVE)
    return answer.status_code == 303 and answer.headers["location"].startswith("/page/login")


def test_a_person_comes_from_the_log_in_by_the_provider_to_live(
    bench: PageBench, browser: TestClient
) -> None:
    assert is_outside(browser)
    assert f'href="{START}"' in browser.get("/page/login").text
    out = browser.get(START)
    (kept,) = cookies_set(out).values()
    assert all(part in kept for part in (UNDER_WAY, "httponly", "samesite=lax", "path=/page/oidc"))
    asked = dict(parse_qsl(urlsplit(out.headers["location"]).query))
    assert (asked["redirect_uri"], asked["client_id"]) == (f"{HERE}{BACK}", "cell-3")
    answer = browser.get(sent_back(browser, "1"))
    assert answer.status_code == 200
    assert f"0; url={LIVE}" in answer.text  # a redirect would bring no strict cookie along
    session = cookies_set(answer)[COOKIE]
    assert all(part in session for part in ("httponly", "samesite=strict", "path=/"))
    assert UNDER_WAY not in browser.cookies
    live = browser.get(LIVE)
    assert live.status_code == 200
    assert "anna" in live.text
    assert browser.get("/page/audit").status_code == 200  # an engineer's
    assert browser.get("/page/people").status_code == 403  # an admin's
    rows = [(row.actor, row.what) for row in AuditLog(bench.data).rows()]
    assert ("anna", "person.log_in") in rows
    browser.post("/page/logout", headers={"Origin": HERE})
    assert is_outside(browser)


@pytest.mark.parametrize(
    ("sub", "why"), [("3", "you have no role at this station"), ("", "has not let you in")]
)
def test_who_has_no_role_or_is_refused_gets_no_session(
    bench: PageBench, browser: TestClient, sub: str, why: str
) -> None:
    people = bench.people.all()
    answer = browser.get(sent_back(browser, sub))
    assert answer.status_code == 401
    assert why in answer.text
    assert COOKIE not in cookies_set(answer)
    assert is_outside(browser)
    assert bench.people.all() == people


@pytest.mark.parametrize("change", [{"state": "x" * 43}, {"state": ""}, {"iss": "https://evil.example"}])
def test_an_answer_that_was_altered_gets_no_session(
    bench: PageBench, browser: TestClient, change: dict[str, str]
) -> None:
    people = bench.people.all()
    address, _, query = sent_back(browser, "2").partition("?")
    answer = browser.get(f"{address}?{urlencode(dict(parse_qsl(query)) | change)}")
    assert answer.status_code == 401
    assert COOKIE not in cookies_set(answer)
    assert is_outside(browser)
    assert bench.people.all() == people


def test_an_answer_counts_in_the_browser_that_began_and_once(bench: PageBench, browser: TestClient) -> None:
    back = sent_back(browser, "2")
    other = TestClient(StationFront(bench), HERE, follow_redirects=False)
    assert other.get(back).status_code == 401
    other.get(START)  # it has a log-in of its own under way
    assert other.get(back).status_code == 401
    assert is_outside(other)
    under_way = browser.cookies[UNDER_WAY]
    assert browser.get(back).status_code == 200
    browser.cookies.set(UNDER_WAY, under_way, domain="testserver.local", path="/page/oidc")
    again = browser.get(back)
    assert again.status_code == 401
    assert COOKIE not in cookies_set(again)
    assert browser.get(LIVE).status_code == 200  # the session that there is goes on


def test_an_account_that_is_disabled_here_is_not_let_in(bench: PageBench, browser: TestClient) -> None:
    assert browser.get(sent_back(browser, "2")).status_code == 200
    bench.people.set_enabled("bob", False)
    answer = browser.get(sent_back(browser, "2"))
    assert answer.status_code == 401
    assert "your account is disabled here" in answer.text
    assert COOKIE not in cookies_set(answer)


def test_a_station_without_a_provider_says_so(tmp_path: Path) -> None:
    bench = PageBench(tmp_path)
    browser = TestClient(StationFront(bench), HERE, follow_redirects=False)
    for path in (START, f"{BACK}?state=a&code=b"):
        answer = browser.get(path)
        assert answer.status_code == 409
        assert "knows no provider of OpenID Connect" in answer.text
    bench.close()
