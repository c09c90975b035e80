"""Whether what an alarm tells of goes on: by the station's last word, never by what nobody has said."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from saec.station.page.live.open_alarms import AlarmTopics, with_courses
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.trouble_watch import LONGEST_S, STATES, AlarmCourse, TroubleWatch
from saec.station.page.words.languages import wording
from saec.station.page.words.page_terms import TERMS
from saec.station.people.roles import Role
from saec.station.plc.worker.plc_worker import PLC_STATES
from saec.station.storage.records import Alarm
from saec.station.storage.spool_reader import SpoolReader
from tests.station.page.page_fakes import PageBench, as_role

GOES_ON, OVER = AlarmCourse(over=False), AlarmCourse(over=True)


def word(at: float, **sections: Any) -> dict[str, Any]:
    """What the station says at a moment."""
    return {"started": 0.0, "uptime_s": at, **sections}


def alarm(kind: str, about: str, last: float = 10.0) -> Alarm:
    return Alarm(n=1, kind=kind, about=about, text="", frame="", frames=(), count=1, first=last, last=last)


def sink(state: str) -> dict[str, Any]:
    return {"sinks": {"mes": {"state": state}}}


def source(state: str) -> dict[str, Any]:
    return {"sources": {"top": state}}


def line(**told: Any) -> dict[str, Any]:
    return {"lines": {"bottle": told}}


def thread(**told: Any) -> dict[str, Any]:
    return {"threads": {"edge-bottle": {"alive": True, "stuck": False, "failing": False} | told}}


def address(state: str) -> dict[str, Any]:
    return {"addresses": {"https://a": {"state": state}}}


@pytest.mark.parametrize(
    ("kind", "about", "bad", "well"),
    [
        ("sink", "mes", sink("away"), sink("up")),
        ("sink", "mes", sink("refusing"), sink("up")),
        ("plc", "press", {"plcs": {"press": {"state": "away"}}}, {"plcs": {"press": {"state": "up"}}}),
        ("camera", "top", source("lost"), source("connected")),
        ("camera", "top", source("hangs"), source("connected")),
        ("camera-settings", "top", source("refusing"), source("connected")),
        ("folder", "top", source("lost"), source("watching")),
        ("thread", "edge-bottle", thread(failing=True), thread()),
        ("thread", "edge-bottle", thread(stuck=True), thread()),
        ("thread", "edge-bottle", thread(alive=False, stuck=True), thread()),
        ("drift", "bottle", line(drift="Score drift: higher"), line(drift="")),
        ("cloud-failed", "bottle", line(link="down", asked=3), line(link="up", asked=4)),
        ("cloud-failed", "", line(link="down", asked=3), line(link="up", asked=4)),
        ("cloud-untrusted", "bottle", line(cloud="advisory"), line(cloud="fused")),
        ("cloud-weights", "https://a", address("other weights"), address("up")),
    ],
)
def test_an_alarm_goes_on_and_is_over_since_the_change_that_was_seen(
    kind: str, about: str, bad: dict[str, Any], well: dict[str, Any]
) -> None:
    watch, came = TroubleWatch(), alarm(kind, about)
    assert watch.course(came) is None
    watch.note(word(9.5, **bad))
    assert watch.course(came) is None  # the station has said nothing since
    watch.note(word(10.5, **bad))
    assert watch.course(came) == GOES_ON
    watch.note(word(11.5, **well))
    assert watch.course(came) == AlarmCourse(over=True, since=11.5)
    watch.note(word(12.5, **well))
    assert watch.course(came) == AlarmCourse(over=True, since=11.5)
    watch.note(word(13.5, **bad))
    assert watch.course(came) == GOES_ON
    watch.note(word(14.5))
    assert watch.course(came) is None


@pytest.mark.parametrize(
    ("kind", "about", "well", "course"),
    [
        ("sink", "mes", sink("up"), OVER),
        ("camera", "top", source("connected"), OVER),
        ("thread", "edge-bottle", thread(), OVER),
        ("cloud-untrusted", "bottle", line(cloud="fused"), OVER),
        ("cloud-weights", "https://a", address("up"), OVER),
        # a monitor that has begun anew knows no drift; files that cannot be removed leave a folder watched;
        # a link that is up says nothing of an answer that was none
        ("drift", "bottle", line(drift=""), None),
        ("folder", "top", source("watching"), None),
        ("cloud-failed", "bottle", line(link="up", asked=4), None),
        # nothing was sent or asked yet, or it cannot be told
        ("sink", "mes", sink("new"), None),
        ("camera", "top", source("waiting"), None),
        ("cloud-failed", "bottle", line(link="probing", asked=4), None),
        ("cloud-failed", "", line(link=None, asked=0), None),
        ("cloud-weights", "https://a", address("resting"), None),
        ("quarantined", "bottle", line(link="up", asked=4), None),
    ],
)
def test_over_without_a_time_where_the_change_was_not_seen_and_nothing_where_nothing_can_tell(
    kind: str, about: str, well: dict[str, Any], course: AlarmCourse | None
) -> None:
    watch = TroubleWatch()
    watch.note(word(20.0, **well))
    assert watch.course(alarm(kind, about)) == course


def test_a_change_in_a_silence_has_no_time_and_one_before_the_alarm_is_not_its_end() -> None:
    watch, came = TroubleWatch(), alarm("sink", "mes")
    watch.note(word(11.0, **sink("away")))
    watch.note(word(11.0 + LONGEST_S + 1.0, **sink("up")))
    assert watch.course(came) == OVER
    watch.note(word(21.0, **sink("away")))
    watch.note(word(22.0, **sink("up")))
    assert watch.course(alarm("sink", "mes", last=21.5)) == AlarmCourse(over=True, since=22.0)
    watch.note(word(24.0, **sink("up")))
    assert watch.course(alarm("sink", "mes", last=23.0)) == OVER


def test_a_link_that_recovers_by_way_of_a_probe_is_over_when_it_is_up() -> None:
    watch, came = TroubleWatch(), alarm("cloud-failed", "bottle")
    for at, link in ((11.0, "down"), (12.0, "probing"), (13.0, "slow"), (14.0, "up")):
        watch.note(word(at, **line(link=link, asked=at)))
        assert (watch.course(came) is None) is (link in ("probing", "slow"))
    assert watch.course(came) == AlarmCourse(over=True, since=14.0)


@given(st.lists(st.tuples(st.sampled_from(["new", "up", "away", "refusing"]), st.booleans()), max_size=40))
def test_a_time_is_that_of_the_last_change_after_the_alarm(steps: list[tuple[str, bool]]) -> None:
    watch, last, ended, worst = TroubleWatch(), 0.0, None, False
    for second, (state, comes) in enumerate(steps, 1):
        if comes:
            last = second - 0.5
        watch.note(word(float(second), **sink(state)))
        if state in ("away", "refusing"):
            ended, worst = None, True
        elif state == "up":
            ended, worst = (float(second) if worst else ended), False
        since = ended if ended is not None and ended > last else None
        expected = None if state == "new" else GOES_ON if worst else AlarmCourse(over=True, since=since)
        assert watch.course(alarm("sink", "mes", last)) == expected


def test_a_station_that_is_silent_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, came = StationFeed(), alarm("sink", "mes")
    feed.update({"status": word(11.0, **sink("away"))})
    assert feed.course(came) == GOES_ON
    later = time.monotonic() + 60.0
    monkeypatch.setattr("saec.station.page.station_feed.time.monotonic", lambda: later)
    assert feed.course(came) is None


def test_states_are_those_that_the_page_has_words_for() -> None:
    words = {"sinks": "sink", "sources": "source", "addresses": "address", "lines": "cloud"}
    known = {"plcs": set(PLC_STATES)} | {section: set(TERMS[group]) for section, group in words.items()}
    for one in STATES:
        assert one.bad | one.well <= known[one.section]
        assert one.kind in TERMS["alarm"]


def test_the_list_and_the_banner_say_it_and_are_pushed_when_it_changes(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    bench.spool.alarm("sink", "mes: nothing listens there", about="mes")
    last = bench.spool.alarms()[0].last

    def say(after: float, state: str) -> str:
        bench.feed.update({"status": word(last + after, **sink(state))})
        return client.get("/page/alarms", headers=as_role(Role.OPERATOR)).text

    topics = AlarmTopics(
        SpoolReader.beside(bench.data), bench.tools.alarms, bench.feed, PageTemplates(station="s")
    )
    english, german = wording("en"), wording("de")
    assert topics.changed() == ["banner", "alarms"]
    assert "goes on" not in topics.text("banner", english, Role.OPERATOR)
    assert "goes on" in say(1.0, "away")
    assert topics.changed() == ["banner", "alarms"]
    assert topics.changed() == []
    assert "dauert an" in topics.text("banner", german, Role.OPERATOR)
    assert "goes on" in topics.text("alarms", english, Role.OPERATOR)
    said = say(2.0, "up")
    since = f"over since {english.lately(last + 2.0)}"
    assert since in said
    assert "goes on" not in said
    assert topics.changed() == ["banner", "alarms"]
    assert since in topics.text("banner", english, Role.OPERATOR)
    assert since in topics.text("alarms", english, Role.OPERATOR)
    say(3.0, "up")
    assert topics.changed() == []


def test_of_two_rows_about_the_same_the_newer_one_is_about_now(bench: PageBench) -> None:
    bench.feed.update({"status": word(1e6, **sink("away"))})
    judged = bench.tools.alarms.judged(
        [
            Alarm(n=9, kind="sink", about="mes", text="", frame="", frames=(), count=1, first=9e5, last=9e5),
            Alarm(n=4, kind="sink", about="mes", text="", frame="", frames=(), count=1, first=1.0, last=1.0),
        ]
    )
    assert [one.course for one in with_courses(judged, bench.feed)] == [GOES_ON, None]
