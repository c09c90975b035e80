"""Every route of API and page, asked by every role over the network: a station with its real page."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.http.page_proxy import logs_in
from saec.station.page.page_app import ROUTES
from saec.station.page_supervisor import PageProcess
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.person import Person
from saec.station.people.roles import Role
from saec.station.people.route_roles import ROUTE_ROLES, is_allowed
from saec.station.people.sessions import Sessions
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.browser_sessions import BrowserSessions
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import NO_GUARD, FakeLinkCloud, Running

ROLES = [None, *Role]
LOG_IN = "POST /page/login"
"""Answers 401 to a name and password that are nobody's."""


class Plant:
    """A station with one person of each role."""

    def __init__(self, folder: Path) -> None:
        make_line(folder / "profile")
        (folder / "tokens").write_text(f"plc {token_hash('secret')}\n")
        data = folder / "data"
        settings = StationSettings(
            station=StationSection(data=data, listen="127.0.0.1:0"),
            line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)],
        )
        page = PageProcess(settings, lambda: {"status": {}, "problems": []}, lambda kind, text: None)
        self.sessions = Sessions(data, PeopleSettings())
        people = PeopleStore(data, PeopleSettings())
        self.people: dict[Role, Person] = {
            role: people.add(f"one {role}", role, "four wet stones in a row") for role in Role
        }
        asked = BrowserSessions(self.sessions.person_of, logs_in)
        self.running = Running(
            settings, FakeLinkCloud(), Tokens(folder / "tokens"), page=page, sessions=asked
        )
        self.page = page

    @contextlib.contextmanager
    def open(self) -> Iterator[Plant]:
        with self.running:
            self.page.start()
            tick, left = threading.Event(), 1200
            while self.running.client.get("/page/login").status_code != 200:
                tick.wait(0.05)
                left -= 1
                assert left
            yield self
            self.page.stop()

    def status(self, role: Role | None, method: str, path: str) -> int:
        """What a role is answered, in a session of its own; where a log-in is asked for, that is a 401."""
        client = self.running.client
        headers = {"Origin": str(client.base_url).rstrip("/")}
        if role is not None:
            headers["Cookie"] = f"saec_session={self.sessions.start(self.people[role])}"
        with client.stream(method, path, headers=headers) as answer:
            asked = answer.headers.get("location", "").startswith("/page/login?next=")
            return 401 if asked and answer.status_code == 303 else answer.status_code


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        patch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
        with Plant(tmp_path_factory.mktemp("plant")).open() as opened:
            yield opened


@pytest.mark.parametrize("route", ROUTE_ROLES)
def test_each_role_is_answered_or_refused_as_the_table_says(plant: Plant, route: str) -> None:
    method, path = route.split(" ")
    for name, value in {"{id}": "cell-0000000001", "{line}": "cell", "{path:path}": "none.css"}.items():
        path = path.replace(name, value)
    for role in ROLES:
        status = plant.status(role, method, path)
        refused = status == 403 or (status == 401 and route != LOG_IN)
        assert refused is not is_allowed(role, method, path), (role, status)


def test_the_table_has_every_route_of_the_page() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} <= set(ROUTE_ROLES)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/lines/cell/frames%0A",
        "/v1/lines/cell/frames/",
        "//v1/lines/cell/frames",
        "/v1/lines/cell/frames?x",
        "/v1/lines/cell/%66rames",
        "/v1/lines/ce%2Fll/frames",
        "/v1/./lines/cell/frames",
        "/V1/lines/cell/frames",
    ],
)
def test_no_spelling_of_a_path_gets_around_the_table(plant: Plant, path: str) -> None:
    assert plant.status(Role.VIEWER, "POST", path) in (403, 404)


def test_a_machine_s_token_opens_the_api_and_no_page(plant: Plant) -> None:
    with httpx.Client(base_url=str(plant.running.client.base_url)) as client:
        client.headers["Authorization"] = "Bearer secret"
        assert client.get("/v1/status").status_code == 200
        assert client.get("/page/live").headers["location"].startswith("/page/login")
