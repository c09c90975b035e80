"""Alarms are open until a person acknowledges them, under a name, and open again when they come again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.page.live.acknowledgements import Acknowledgements
from saec.station.page.live.open_alarms import AlarmTopics
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.storage.records import Alarm
from saec.station.storage.spool_reader import SpoolReader
from tests.station.page.page_fakes import PageBench, as_role


def alarm(n: int, kind: str = "sink", about: str = "mes") -> Alarm:
    return Alarm(n=n, kind=kind, about=about, text="x", frame="", frames=(), count=1, first=1.0, last=2.0)


def test_an_alarm_is_acknowledged_once_and_by_a_name(tmp_path: Path) -> None:
    done = Acknowledgements(tmp_path / "page", clock=lambda: 7.0)
    assert (tmp_path / "page" / "page.sqlite").stat().st_mode & 0o077 == 0
    (one,) = done.judged([alarm(4)])
    assert one.open
    assert done.acknowledge(alarm(4), 4, "anna")
    assert not done.acknowledge(alarm(4), 4, "bert")
    (one,) = Acknowledgements(tmp_path / "page").judged([alarm(4)])
    assert not one.open
    assert (one.done.person, one.done.time) == ("anna", 7.0)
    (again,) = done.judged([alarm(5)])
    assert again.open
    assert again.done.person == "anna"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans()), max_size=30))
def test_open_are_those_that_came_after_their_acknowledgement(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bool]]
) -> None:
    done = Acknowledgements(tmp_path_factory.mktemp("page"))
    came: dict[tuple[str, str], int] = {}
    seen: dict[tuple[str, str], int] = {}
    for n, (kind, about, comes) in enumerate(steps, 1):
        if comes:
            came[kind, about] = n
        elif (kind, about) in came:
            seen[kind, about] = came[kind, about]
            done.acknowledge(alarm(n, kind, about), came[kind, about], "p")
    judged = done.judged([alarm(n, *key) for key, n in came.items()])
    for one in judged:
        key = one.alarm.kind, one.alarm.about
        assert one.open is (came[key] > seen.get(key, 0))
    assert [one.open for one in judged] == sorted((one.open for one in judged), reverse=True)
    done.close()


def acknowledge(client: TestClient, role: Role, **form: str) -> int:
    return client.post("/page/alarms/acknowledge", data=form, headers=as_role(role)).status_code


def test_the_list_and_the_audit_say_who_acknowledged(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    bench.spool.alarm("sink", "mes: nothing listens there", about="mes")
    n = str(bench.spool.alarms()[0].n)
    viewed = client.get("/page/alarms", headers=as_role(Role.VIEWER)).text
    assert "nothing listens there" in viewed
    assert "An operator can acknowledge it." in viewed
    assert '<button class="primary">' not in viewed
    assert acknowledge(client, Role.VIEWER, kind="sink", about="mes", n=n) == 403
    assert acknowledge(client, Role.OPERATOR, kind="sink", about="mes", n=n) == 303
    page = client.get("/page/alarms", headers=as_role(Role.VIEWER)).text
    assert "Acknowledged by operator" in page
    (row,) = AuditLog(bench.data).rows(what="alarm.acknowledge")
    assert (row.actor, row.role, row.about, row.after) == ("operator", "operator", "sink mes", {"n": int(n)})
    assert acknowledge(client, Role.ENGINEER, kind="sink", about="mes", n=n) == 303
    assert len(AuditLog(bench.data).rows(what="alarm.acknowledge")) == 1, "it was acknowledged before"


def test_an_alarm_links_each_frame_that_it_holds_the_newest_first(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    for n in [*range(1, 26), 25]:
        bench.spool.alarm("disagreement", "the late answer differs", frame=f"cell-3-{n:010d}", about="b")
    page = client.get("/page/alarms", headers=as_role(Role.VIEWER)).text
    linked = [int(n) for n in re.findall(r'href="/page/frames/cell-3-(\d+)"', page)]
    assert linked == list(range(25, 6, -1))


def test_what_came_after_the_person_looked_stays_open(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    bench.spool.alarm("sink", "once", about="mes")
    n = str(bench.spool.alarms()[0].n)
    bench.spool.alarm("sink", "twice", about="mes")
    assert acknowledge(client, Role.OPERATOR, kind="sink", about="mes", n=n) == 303
    page = client.get("/page/alarms", headers=as_role(Role.OPERATOR)).text
    assert "Came again after operator had acknowledged it" in page


def test_a_form_about_no_alarm_is_answered_with_a_sentence(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    assert acknowledge(client, Role.OPERATOR, kind="sink", about="mes", n="1") == 409
    bench.spool.alarm("sink", "once", about="mes")
    for n in ("", "-1", "x", "1" * 40):
        assert acknowledge(client, Role.OPERATOR, kind="sink", about="mes", n=n) == 409


def test_the_banner_says_what_is_open_and_falls_silent(bench: PageBench) -> None:
    done = Acknowledgements(bench.data / "page")
    reader = SpoolReader.beside(bench.data)
    topics = AlarmTopics(reader, done, bench.feed, PageTemplates(station="x"))
    assert topics.changed() == ["banner", "alarms"]
    assert "data-open" not in topics.text("banner", wording("en"), Role.VIEWER)
    bench.spool.alarm("drift", "the scores have moved", about="bottle")
    assert topics.changed() == ["banner", "alarms"]
    assert topics.changed() == []
    assert "1 offener Alarm" in topics.text("banner", wording("de"), Role.VIEWER)
    assert "Acknowledge<" in topics.text("alarms", wording("en"), Role.OPERATOR)
    done.acknowledge(bench.spool.alarms()[0], bench.spool.alarms()[0].n, "anna")
    assert topics.changed() == ["banner", "alarms"]
    assert "data-open" not in topics.text("banner", wording("en"), Role.VIEWER)
    bench.feed.update(bench.told | {"problems": ["the disk is full"]})
    topics.changed()
    assert "the disk is full" in topics.text("banner", wording("en"), Role.VIEWER)
