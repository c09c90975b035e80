"""Audit: rows that are found again, differences that can be read, and a check that finds what was changed."""

from __future__ import annotations

import sqlite3
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action, AuditRow
from saec.station.page.evidence.evidence_jobs import EvidenceJobs
from saec.station.page.facts.action_words import said_action
from saec.station.page.facts.audit_topics import AuditTopics
from saec.station.page.facts.chain_checks import ChainChecks
from saec.station.page.facts.row_changes import ChangedValue, row_changes
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from tests.station.page.page_fakes import PageBench, as_role

ENGINEER = as_role(Role.ENGINEER)


def fill(bench: PageBench, rows: int = 60) -> AuditLog:
    """A chain whose row n was made at the second n."""
    now = [0.0]
    log = AuditLog(bench.data, clock=lambda: now[0])
    for n in range(1, rows + 1):
        now[0] = float(n)
        log.append(
            Action(
                actor="anna" if n % 2 else "bert",
                role="engineer",
                what="line.promote" if n % 3 else "person.add",
                about=f"line-{n % 4}",
                before={"current": n, "previous": 1},
                after={"current": n + 1, "previous": 1},
                reason=f"reason {n}.",
            )
        )
    return log


def reasons(page: str) -> list[int]:
    """The numbers of the rows on a page, in their order."""
    return [int(part.partition(".")[0]) for part in page.split("“reason ")[1:]]


def test_newest_rows_come_first_and_older_ones_on_the_next_page(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    fill(bench)
    page = client.get("/page/audit", headers=ENGINEER).text
    assert reasons(page) == list(range(60, 10, -1))
    older = unescape(page.partition('href="/page/audit?before=')[2].partition('"')[0])
    page = client.get(f"/page/audit?before={older}", headers=ENGINEER).text
    assert reasons(page) == list(range(10, 0, -1))
    assert "Newest rows" in page
    assert client.get("/page/audit", headers=as_role(Role.OPERATOR)).status_code == 403


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("actor=anna", [n for n in range(12, 0, -1) if n % 2]),
        ("what=person.add", [12, 9, 6, 3]),
        ("what=person.", [12, 9, 6, 3]),
        ("about=line-3", [11, 7, 3]),
        ("about=line-3&actor=bert", []),
        ("before=4", [3, 2, 1]),
        ("before=99999999999999999999999", list(range(12, 0, -1))),
        ("before=x", list(range(12, 0, -1))),
        ("since=nonsense", list(range(12, 0, -1))),
    ],
)
def test_rows_are_found_by_person_action_and_subject(
    bench: PageBench, client: TestClient, query: str, expected: list[int]
) -> None:
    bench.add_people(None)
    fill(bench, 12)
    assert reasons(client.get(f"/page/audit?{query}", headers=ENGINEER).text) == expected


def test_rows_are_found_by_time_as_a_browser_gives_it(bench: PageBench, client: TestClient) -> None:
    from datetime import datetime

    bench.add_people(None)
    fill(bench, 12)
    since, until = (datetime.fromtimestamp(second).isoformat() for second in (4, 7))
    page = client.get("/page/audit", params={"since": since, "until": until}, headers=ENGINEER).text
    assert reasons(page) == [6, 5, 4]
    assert f'value="{since}"' in page


def test_a_difference_shows_what_differs_alone(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    fill(bench, 1)
    page = client.get("/page/audit", headers=ENGINEER).text
    assert "<del>1</del>" in page
    assert "<ins>2</ins>" in page
    assert "version before" not in page


def said(
    what: str, before: object = None, after: object = None, about: str = "x", language: str = "en"
) -> str:
    """A row in words: its title, what it is about, and its values."""
    row = AuditRow(
        n=1, time=1.0, actor="a", role="admin", what=what, about=about, before=before, after=after,
        reason="", previous="", hash="",
    )  # fmt: skip
    one = said_action(wording(language), row)
    values = [f"{value.name}: {value.before} -> {value.after}" for value in one.changes.values]
    return "; ".join([f"{one.title}: {one.about}", *values])


def test_a_row_says_plainly_what_was_done() -> None:
    moment = wording("de").moment(1_700_000_000.5)
    assert said("line.shadow", {"shadow": None}, {"shadow": 2}) == "Shadow begun: x; shadow: None -> 2"
    assert said("line.shadow", {"shadow": 2}, {"shadow": None}) == "Shadow ended: x; shadow: 2 -> None"
    assert said("person.role", "viewer", "admin") == "Role changed: x; role: Viewer -> Administrator"
    assert said("person.disable", True, False) == "Person disabled: x; may log in: yes -> no"
    acknowledged = said("alarm.acknowledge", None, {"n": 1}, about="unfinished in")
    assert acknowledged == "Alarm acknowledged: File not finished (in); number: None -> 1"
    key = said("keys.make", None, {"made": 1_700_000_000.5, "state": "active", "reason": ""}, language="de")
    assert key == f"Schlüssel erzeugt: x; erstellt am: None -> {moment}; Zustand: None -> signiert"
    assert said("evidence.export", None, {"frames": [], "lot": None, "until": 1e99}).count(";") == 1


def test_what_stands_in_a_row_is_text(bench: PageBench, client: TestClient) -> None:
    bench.people.add("engineer", Role.ENGINEER, None)
    evil = "<script>alert(1)</script>\"'><img src=x>"
    told = {evil: evil, "nested": {"a": [evil]}}
    log = AuditLog(bench.data)
    log.append(Action(actor=evil, role=evil, what=evil, about=evil, before=told, after=evil, reason=evil))
    page = client.get("/page/audit", params={"actor": evil}, headers=ENGINEER).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert evil in unescape(page)


def test_values_of_every_shape_are_compared() -> None:
    found = row_changes({"a": 1, "b": {"c": [1, 2]}, "same": "x"}, {"a": None, "b": {"c": [1]}, "same": "x"})
    assert found.values == [ChangedValue("a", "1", None), ChangedValue("b.c", "[1, 2]", "[1]")]
    assert row_changes(True, False).values == [ChangedValue("", "true", "false")]
    assert row_changes(None, None).values == []
    digest = "ab" * 32
    assert row_changes(None, {"content": digest}).values == [ChangedValue("content", None, f"{digest[:12]}…")]
    many = row_changes(None, {str(n): n for n in range(100)})
    assert len(many.values) + many.more == 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, json_values)
def test_any_two_values_differ_both_ways_alike(before: object, after: object) -> None:
    there, back = row_changes(before, after), row_changes(after, before)
    assert {(v.name, v.before, v.after) for v in there.values} == {
        (v.name, v.after, v.before) for v in back.values
    } or there.more
    assert row_changes(before, before).values == []


def test_the_check_says_sound_and_then_the_first_bad_row(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    log = fill(bench, 20)
    checks = ChainChecks(log)
    checks.start({})
    checks.wait()
    assert checks.state.found is not None
    assert (checks.state.found.fault, checks.state.found.head.n) == (None, 20)
    head = log.head()
    checks.start({21: frozenset({head.hash})})
    checks.wait()
    assert checks.state.found.fault is not None
    assert checks.state.found.fault.n == 21
    with sqlite3.connect(log.path) as db:
        db.execute("UPDATE actions SET reason = 'other' WHERE n = 7")
    checks.start({})
    checks.wait()
    assert checks.state.found.fault is not None
    assert checks.state.found.fault.n == 7
    with sqlite3.connect(log.path) as db:
        db.execute("UPDATE actions SET before = '{' WHERE n = 8")
    page = client.get("/page/audit", headers=ENGINEER)
    assert page.status_code == 200
    assert "row 8 of the audit was changed" in page.text
    assert "Check the chain" in page.text


def test_a_check_is_asked_for_by_a_button_and_told_to_engineers_alone(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    log = fill(bench, 3)
    assert client.post("/page/audit/verify", data={"head": "x"}, headers=ENGINEER).status_code == 409
    head = {"head": str(log.head())}
    assert client.post("/page/audit/verify", data=head, headers=ENGINEER).status_code == 303
    checks = ChainChecks(log)
    topics = AuditTopics(checks, EvidenceJobs(bench.data / "jobs", 0), PageTemplates(station="s"))
    assert topics.changed() == topics.every()
    assert topics.changed() == []
    checks.start({})
    checks.wait()
    assert topics.changed() == ["audit-check"]
    english = wording("en")
    assert "The chain is sound." in topics.text("audit-check", english, Role.ENGINEER)
    assert topics.text("audit-check", english, Role.OPERATOR) == ""
    assert topics.text("audit-evidence", english, Role.ENGINEER) == ""
