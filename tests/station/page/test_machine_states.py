"""The PLCs and couplers on the page: their states, what they have counted, and why a PLC is not ready."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest
from starlette.testclient import TestClient

from saec.station.outputs.coupler_worker import COUPLER_STATES
from saec.station.outputs.couplers.coupler_settings import AnyCoupler, GpioCoupler, ModbusCoupler
from saec.station.outputs.pulse_schedule import Outcome
from saec.station.page.facts.machine_states import MachineTopic, machine_now
from saec.station.page.page_app import make_page_events, make_page_tools, page_app
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import LANGUAGES, wording
from saec.station.page.words.page_terms import TERMS
from saec.station.people.roles import Role
from saec.station.plc import AnyPlc, ModbusPlc, S7Plc
from saec.station.plc.handshake import Phase
from saec.station.plc.signals import FaultCode
from saec.station.plc.worker.plc_worker import PLC_STATES
from saec.station.setup.station_settings import StationSettings
from tests.station.page.page_fakes import PageBench, as_role

PLC: dict[str, Any] = {
    "state": "up",
    "phase": "ready",
    "error": "",
    "not_ready": "",
    "counts": {"trigger": 1204, "result": 1200, "fault": 4},
    "faults": {"no_picture": 3, "no_result": 1},
    "strays": 2,
}
COUPLER: dict[str, Any] = {
    "state": "up",
    "error": "",
    "outputs": {
        "gate": {"on": False, "for": ["defect"], "pending": 3, "counts": {"pulsed": 12, "late": 0}},
        "lamp": {"on": None, "for": ["ready"], "pending": 0, "counts": {}},
    },
    "inputs": {
        "eye": {"use": "trigger", "on": True, "counts": {"triggers": 77, "missed": 2}},
        "belt": {"use": "encoder", "position": 55, "counts": {"jumps": 0}},
    },
}
PLCS: list[AnyPlc] = [
    ModbusPlc(name="press", line="bottle", source="in", host="10.0.0.8"),
    S7Plc(name="oven", line="bottle", source="in", host="10.0.0.9"),
]
COUPLERS: list[AnyCoupler] = [ModbusCoupler(name="io", host="10.0.0.7"), GpioCoupler(name="pins")]


@pytest.fixture
def machine(bench: PageBench) -> PageBench:
    """A page of a station with two PLCs and two couplers, of which the station tells nothing yet."""
    bench.settings = msgspec.structs.replace(bench.settings, plc=PLCS, coupler=COUPLERS)
    bench.tools = make_page_tools(bench.settings, bench.feed)
    bench.app = page_app(bench.tools, make_page_events(bench.tools))
    bench.add_people(None)
    return bench


def tell(bench: PageBench, plcs: dict[str, Any], couplers: dict[str, Any]) -> None:
    bench.told["status"] |= {"plcs": plcs, "couplers": couplers}
    bench.feed.update(bench.told)


def shown(bench: PageBench, language: str = "en") -> str:
    """The fragment in words, without its marks."""
    topic = MachineTopic(bench.settings, bench.feed, PageTemplates(station="s"))
    topic.changed()
    return topic.text("machine", wording(language), Role.VIEWER)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_a_plc_is_shown_with_state_phase_and_counts(machine: PageBench) -> None:
    tell(machine, {"press": PLC}, {})
    told = words(shown(machine))
    assert "press connected ready for a trigger Triggers: 1,204, results: 1,200, faults: 4" in told
    assert "3 × no picture" in told
    assert "1 × no result in time" in told
    assert "oven not known" in told, "the station says nothing of it"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"not_ready": "unknown_recipe"}, "no recipe is in force"),
        ({"not_ready": "not_ready"}, "a picture is still awaited, or the recipe is being set up"),
        ({"not_ready": ""}, "Trigger or Acknowledge is still on"),
    ],
)
def test_it_says_why_a_plc_finds_no_ready(machine: PageBench, changed: dict[str, str], why: str) -> None:
    tell(machine, {"press": {**PLC, "phase": "waiting", **changed}}, {})
    told = words(shown(machine))
    assert f"not ready: {why}" in told
    assert "ready for a trigger" not in told


def test_a_plc_that_is_away_is_no_ready_one_and_its_error_is_escaped(machine: PageBench) -> None:
    tell(machine, {"press": {**PLC, "state": "away", "error": "10.0.0.8:502 <gone>"}}, {})
    told = shown(machine)
    assert "10.0.0.8:502 &lt;gone&gt;" in told
    assert "not reached" in words(told)
    assert "ready for a trigger" not in words(told)


def test_a_coupler_is_shown_with_its_outputs_and_inputs(machine: PageBench) -> None:
    tell(machine, {}, {"io": COUPLER, "pins": {**COUPLER, "state": "refusing", "error": "no line 4"}})
    told = words(shown(machine))
    assert "io connected gate : off, 12 × pulsed, 3 on their way" in told
    assert "lamp : fail-safe state" in told
    assert "eye : on, 77 × trigger, 2 × no picture in time" in told
    assert "pins refuses no line 4" in told


def test_the_lines_view_shows_at_once_what_its_events_show_later(machine: PageBench) -> None:
    tell(machine, {"press": PLC}, {"io": COUPLER})
    with TestClient(machine.app, follow_redirects=False) as client:
        page = client.get("/page/lines", headers=as_role(Role.VIEWER)).text
    assert 'sse-swap="machine"' in page
    assert shown(machine).strip() in page


def test_a_station_without_a_machine_shows_none(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    assert 'sse-swap="machine"' not in client.get("/page/lines", headers=as_role(Role.VIEWER)).text
    topic = MachineTopic(bench.settings, bench.feed, PageTemplates(station="s"))
    assert topic.every() == topic.changed() == []


def test_only_what_is_shown_makes_news(machine: PageBench) -> None:
    topic = MachineTopic(machine.settings, machine.feed, PageTemplates(station="s"))
    tell(machine, {"press": PLC}, {"io": COUPLER})
    assert topic.changed() == topic.every() == ["machine"]
    assert topic.changed() == []
    belt = {**COUPLER["inputs"], "belt": {"use": "encoder", "position": 56, "counts": {"jumps": 0}}}
    tell(machine, {"press": PLC}, {"io": {**COUPLER, "inputs": belt}})
    assert topic.changed() == [], "an encoder's position changes all the time, and is not shown"
    tell(machine, {"press": {**PLC, "phase": "busy"}}, {"io": COUPLER})
    assert topic.changed() == ["machine"]


def test_a_silent_station_tells_of_no_machine() -> None:
    settings, feed = StationSettings(plc=PLCS, coupler=COUPLERS), StationFeed()
    now = machine_now(settings, feed)
    assert [one.state for one in now.plcs] + [one.state for one in now.couplers] == [""] * 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_fault_has_words(language: str) -> None:
    assert set(TERMS["machine"]) == {*PLC_STATES, *COUPLER_STATES}
    assert set(TERMS["phase"]) == set(get_args(Phase))
    assert set(TERMS["fault"]) == {code.name.lower() for code in FaultCode if code}
    assert set(TERMS["outcome"]) == {outcome.value for outcome in Outcome}
    assert wording(language).gettext(TERMS["phase"]["busy"])
