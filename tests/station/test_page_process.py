"""The page's process beside a station: what goes through to it, and that the station outlives it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station import page_supervisor
from saec.station.http.page_proxy import logs_in
from saec.station.page_supervisor import PageProcess
from saec.station.people.person import Person
from saec.station.people.roles import Role
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.browser_sessions import BrowserSessions
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import GOOD, NO_GUARD, FakeLinkCloud, Running, png

ANNA = Person(name="Anna Müller", shown="person-7", role=Role.OPERATOR)


class Beside:
    """A station with a page that echoes, reached as a browser reaches it."""

    def __init__(self, folder: Path) -> None:
        make_line(folder / "profile")
        (folder / "tokens").write_text(f"plc {token_hash('secret')}\n")
        self.settings = StationSettings(
            station=StationSection(name="cell-3", data=folder / "data", listen="127.0.0.1:0"),
            line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)],
        )
        self.alarms: list[tuple[str, str]] = []
        self.page = PageProcess(
            self.settings,
            lambda: {"status": {"uptime_s": 1}, "problems": []},
            lambda kind, text: self.alarms.append((kind, text)),
            command=[sys.executable, "-m", "tests.station.fake_page"],
        )
        sessions = BrowserSessions(lambda token: ANNA if token == "anna" else None, logs_in)
        self.running = Running(
            self.settings, FakeLinkCloud(), Tokens(folder / "tokens"), page=self.page, sessions=sessions
        )

    def __enter__(self) -> Beside:
        self.running.__enter__()
        self.page.start()
        self.client = self.running.client
        self.wait(lambda: self.client.get("/page/x").status_code == 200)
        return self

    def __exit__(self, *_: object) -> None:
        self.page.stop()
        self.running.__exit__()

    def wait(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        tick = threading.Event()
        while not ready():
            tick.wait(0.05)
            seconds -= 0.05
            assert seconds > 0

    def seen(self, path: str, **headers: str) -> dict[str, Any]:
        answer = self.client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture(autouse=True)
def fake_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    monkeypatch.setattr(page_supervisor, "_TURN", 0.05)
    with Beside(tmp_path / ("deep" * 30)) as made:
        yield made


def test_a_request_goes_through_with_who_asks_and_nothing_that_it_claims(beside: Beside) -> None:
    claims = {
        "X_SAEC_Person": "root",
        "X_SAEC_Role": "admin",
        "X_SAEC_Else": "1",
        "X_Forwarded_For": "1.2.3.4",
    }
    nobody = beside.seen("/page/a%2Fb?q=%3Cb%3E&q=2", **claims, Authorization="Bearer secret")
    assert nobody["path"] == "/page/a/b"
    assert nobody["query"] == "q=%3Cb%3E&q=2"
    expected = {"x-saec-person": "", "x-saec-role": "", "x-saec-address": "this machine"}
    assert nobody["headers"] == {**expected, "x-forwarded-proto": "http"}
    anna = beside.seen("/", **claims, Cookie="saec_session=anna")
    assert anna["headers"]["x-saec-person"] == "Anna%20M%C3%BCller"
    assert anna["headers"]["x-saec-role"] == "operator"
    answer = beside.client.get("/page/x")
    assert [*answer.cookies] == ["one", "two"]


def test_a_form_needs_a_page_of_this_origin(beside: Beside) -> None:
    own = str(beside.client.base_url).rstrip("/")
    for headers, status in (
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": own}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        beside.client.cookies.clear()
        sent = {**headers, "Cookie": "saec_session=anna"}
        assert beside.client.post("/page/x", headers=sent, content=b"a=b").status_code == status, headers
        assert beside.client.post("/page/login", headers=headers, content=b"a=b").status_code == status
    assert beside.client.post("/page/x", headers={"Origin": own}, content=b"x" * (2 << 20)).status_code == 413


def test_the_page_hears_how_the_station_does(beside: Beside) -> None:
    beside.wait(lambda: beside.seen("/page/x")["told"].get("status") == {"uptime_s": 1})
    assert beside.seen("/page/x")["told"]["settings"] == "cell-3"


def test_a_role_bounds_what_a_person_asks_of_the_api(beside: Beside) -> None:
    own = str(beside.client.base_url).rstrip("/")
    anna = {"Cookie": "saec_session=anna", "Origin": own}
    assert beside.client.get("/v1/status", headers=anna).status_code == 200
    assert beside.client.get("/v1/nothing", headers=anna).status_code == 404
    refused = beside.client.post("/v1/lines/cell/frames", headers=anna, content=png(GOOD))
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "role"
    assert beside.client.get("/v1/status", headers={"Cookie": "saec_session=else"}).status_code == 401
    both = {**anna, "Authorization": "Bearer secret", "Content-Type": "image/png"}
    assert beside.client.post("/v1/lines/cell/frames", headers=both, content=png(GOOD)).status_code == 201


def test_a_killed_page_costs_nothing_and_comes_back(beside: Beside) -> None:
    before = beside.seen("/page/x")["pid"]
    with beside.client.stream("GET", "/page/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "data: 0"
        os.kill(before, signal.SIGKILL)
        list(lines)  # ends, and the browser asks again
    posted = beside.running.post(png(GOOD), Authorization="Bearer secret")
    assert posted.json()["verdict"]["label"] == 0
    beside.wait(lambda: beside.client.get("/page/x").status_code == 200)
    assert beside.seen("/page/x")["pid"] != before


def test_a_page_that_is_away_says_so(beside: Beside) -> None:
    beside.page.stop()
    answer = beside.client.get("/page/live")
    assert answer.status_code == 503
    assert "line goes on" in answer.text
    assert beside.client.get("/health").status_code == 200


def test_a_page_that_ends_again_and_again_raises_an_alarm(beside: Beside) -> None:
    for _ in range(3):
        beside.wait(lambda: beside.page.pid is not None)
        os.kill(beside.page.pid or 0, signal.SIGKILL)
        beside.wait(lambda: beside.page.pid is None)
    beside.wait(lambda: bool(beside.alarms))
    assert beside.alarms == [("page", "the page's process ended 3 times; the log says why")]


def test_a_page_that_hangs_is_ended(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_supervisor, "_ASK", 0.5)
    monkeypatch.setattr(page_supervisor, "_YOUNG", 0.0)
    monkeypatch.setattr(page_supervisor, "_FAREWELL", 0.2)
    before = beside.seen("/page/x")["pid"]
    with pytest.raises(httpx.TimeoutException):
        beside.client.get("/page/hang", timeout=0.5)
    beside.wait(lambda: beside.page.pid not in (None, before))


def test_a_station_without_a_page_says_how_to_have_one(tmp_path: Path) -> None:
    make_line(tmp_path / "profile")
    settings = StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", guard=NO_GUARD)],
    )
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        answer = running.client.get("/")
        assert answer.status_code == 404
        assert "page = true" in answer.json()["error"]["message"]
