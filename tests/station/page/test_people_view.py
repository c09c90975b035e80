"""People: who may change whom, what the audit says of it, and that an admin remains."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from saec.errors import PeopleError
from saec.station.audit.audit_log import AuditLog
from saec.station.page.words.languages import LANGUAGES, wording
from saec.station.page.words.said_sentences import SHAPES, WHOLE, said
from saec.station.people.passwords import LEAST
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from saec.web.browser_sessions import COOKIE
from tests.station.page.page_fakes import PASSWORD, PageBench, as_role

ADMIN = as_role(Role.ADMIN)
OTHER = "another long password"


def add(
    client: TestClient, name: str, role: str = "operator", password: str = OTHER, again: str = OTHER
) -> str:
    fields = {"name": name, "role": role, "password": password, "again": again, "reason": "new shift"}
    return client.post("/page/people", data=fields, headers=ADMIN, follow_redirects=True).text


def post(client: TestClient, name: str, what: str, **fields: str) -> int:
    answer = client.post(f"/page/people/{quote(name, safe='')}/{what}", data=fields, headers=ADMIN)
    return answer.status_code


def test_an_admin_adds_and_changes_a_person_and_the_audit_says_why(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    name = "Eve O'Hara-Müller@plant"
    assert "Eve O&#39;Hara-Müller@plant" in add(client, name)
    assert client.get(f"/page/people/{quote(name, safe='')}", headers=ADMIN).status_code == 200
    assert post(client, name, "role", role="engineer", reason="trained") == 303
    assert post(client, name, "state", enabled="no") == 303
    assert post(client, name, "password", password=PASSWORD, again=PASSWORD) == 303
    person = bench.people.find(name)
    assert person is not None
    assert (person.role, person.enabled) == (Role.ENGINEER, False)
    assert post(client, name, "state", enabled="yes") == 303
    assert bench.people.log_in(name, PASSWORD, "::1").name == name
    assert client.get(f"/page/people/{quote(name, safe='')}/remove", headers=ADMIN).status_code == 200
    assert post(client, name, "remove", reason="left") == 303
    assert bench.people.find(name) is None
    rows = AuditLog(bench.data).rows()
    assert [row.what for row in rows] == [
        *("person.remove", "person.enable", "person.password", "person.disable", "person.role", "person.add")
    ]
    assert {row.actor for row in rows} == {"admin"}
    assert [rows[0].reason, rows[4].reason, rows[5].reason] == ["left", "trained", "new shift"]


def test_what_changes_nothing_has_no_row_and_ends_no_session(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    assert post(client, "operator", "role", role="operator") == 303
    assert post(client, "operator", "state", enabled="yes") == 303
    assert AuditLog(bench.data).rows() == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "admin"}, "There is a person of this name already"),
        ({"name": "ADMIN"}, "There is a person of this name already"),
        ({"name": ""}, "cannot be a name"),
        ({"name": "<b>"}, "cannot be a name"),
        ({"name": "person-12"}, "looks like a pseudonym"),
        ({"again": "x"}, "The two passwords differ"),
        ({"password": "short", "again": "short"}, "12 to 256 characters"),
        ({"password": "a" * 20, "again": "a" * 20}, "almost one character"),
        ({"role": "owner"}, "A person needs a role"),
    ],
)
def test_who_cannot_be_added_is_said_and_nothing_typed_is_lost(
    bench: PageBench, client: TestClient, fields: dict[str, str], problem: str
) -> None:
    bench.people.add("admin", Role.ADMIN, PASSWORD)
    page = add(client, **({"name": "newcomer"} | fields))
    assert problem in page
    assert 'value="new shift"' in page
    assert [person.name for person in bench.people.all()] == ["admin"]
    assert "short" not in re.sub(r"shorter", "", page)


@pytest.mark.parametrize(
    ("what", "fields"),
    [("role", {"role": "viewer"}), ("state", {"enabled": "no"}), ("remove", {})],
)
def test_the_last_admin_stays_one(
    bench: PageBench, client: TestClient, what: str, fields: dict[str, str]
) -> None:
    bench.add_people(None)
    assert post(client, "admin", what, **fields) == 400
    person = bench.people.find("admin")
    assert person is not None
    assert (person.role, person.enabled) == (Role.ADMIN, True)
    assert AuditLog(bench.data).rows() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ENGINEER])
def test_nobody_else_comes_near(bench: PageBench, client: TestClient, role: Role) -> None:
    bench.people.add(role.value, role, None)
    headers = as_role(role)
    for path in ("/page/people", "/page/people/admin", "/page/people/admin/remove"):
        assert client.get(path, headers=headers).status_code == 403
    for what in ("role", "state", "password", "remove"):
        assert client.post(f"/page/people/{role}/{what}", data={}, headers=headers).status_code == 403


def test_last_log_ins_are_those_of_the_audit(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    log = {"name": "viewer", "password": PASSWORD, "next": ""}
    client.post("/page/login", data=log, headers={"Origin": ADMIN["Origin"]})
    page = client.get("/page/people", headers=ADMIN).text
    (row,) = AuditLog(bench.data).rows(what="person.log_in")
    assert wording("en").moment(row.time) in page
    assert page.count(">never<") == 3
    assert "not known" not in page


def test_nobody_is_said_to_have_never_logged_in_where_it_is_not_known(
    bench: PageBench, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add_people(None)
    monkeypatch.setattr("saec.station.page.views.people_view._LOG_INS", 0)
    page = client.get("/page/people", headers=ADMIN).text
    assert page.count("not known") == 4
    assert ">never<" not in page


def test_the_first_admin_has_been_logged_in_since_the_set_up(bench: PageBench, client: TestClient) -> None:
    code = bench.people.setup.current()
    fields = {"code": code, "name": "admin", "password": PASSWORD, "again": PASSWORD}
    form = client.get("/page/setup").text
    assert f"{LEAST} characters at least" in form
    assert 'aria-describedby="password-rule"' in form
    assert client.post("/page/setup", data=fields, headers={"Origin": ADMIN["Origin"]}).status_code == 303
    (row,) = AuditLog(bench.data).rows(what="person.add")
    page = client.get("/page/people", headers=ADMIN).text
    assert wording("en").moment(row.time) in page
    assert ">never<" not in page


@pytest.mark.parametrize("path", ["people", "people/viewer", "people/viewer/remove"])
def test_a_reason_may_be_left_out_and_the_form_says_so(
    bench: PageBench, client: TestClient, path: str
) -> None:
    bench.add_people(None)
    page = client.get(f"/page/{path}", headers=ADMIN).text
    labels = re.findall(r"<label[^>]*>([^<]*)</label>\s*<input[^>]*name=\"reason\"", page)
    assert labels
    assert all("optional" in label for label in labels)


def test_a_person_changes_the_own_password_and_goes_on_in_a_new_session(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    sessions = Sessions(bench.data, bench.settings.people)
    person = bench.people.find("viewer")
    assert person is not None
    elsewhere = sessions.start(person)
    headers = as_role(Role.VIEWER)
    assert "Old password" in client.get("/page/me", headers=headers).text

    def ask(old: str) -> tuple[int, str, str]:
        fields = {"old": old, "password": OTHER, "again": OTHER}
        answer = client.post("/page/me/password", data=fields, headers=headers)
        return answer.status_code, answer.text, answer.headers.get("set-cookie", "")

    status, text, cookie = ask("wrong")
    assert (status, cookie) == (400, "")
    assert "The old password is wrong" in text
    status, _, cookie = ask(PASSWORD)
    assert status == 303
    token = cookie.partition(f"{COOKIE}=")[2].partition(";")[0]
    fresh = Sessions(bench.data, bench.settings.people)
    assert fresh.person_of(elsewhere) is None
    assert fresh.person_of(token) is not None
    assert bench.people.log_in("viewer", OTHER, "::1").name == "viewer"
    assert "Your password is changed" in client.get("/page/me?done=password", headers=headers).text
    (row,) = AuditLog(bench.data).rows()
    assert (row.what, row.actor, row.about) == ("person.password", "viewer", "viewer")


def test_an_old_password_cannot_be_guessed_on_and_on(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    fields = {"old": "wrong", "password": OTHER, "again": OTHER}
    for _ in range(bench.settings.people.login_attempts):
        client.post("/page/me/password", data=fields, headers=as_role(Role.VIEWER))
    fields["old"] = PASSWORD
    answer = client.post("/page/me/password", data=fields, headers=as_role(Role.VIEWER))
    assert answer.status_code == 400
    assert "ask an admin" in answer.text


def test_a_person_ends_all_own_sessions(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    sessions = Sessions(bench.data, bench.settings.people)
    person = bench.people.find("operator")
    assert person is not None
    tokens = [sessions.start(person) for _ in range(3)]
    answer = client.post("/page/me/sessions", headers=as_role(Role.OPERATOR))
    assert answer.headers["location"] == "/page/login"
    fresh = Sessions(bench.data, bench.settings.people)
    assert [fresh.person_of(token) for token in tokens] == [None, None, None]
    assert [row.what for row in AuditLog(bench.data).rows()] == ["person.log_out"]


def test_sentences_with_values_are_said_in_every_language(bench: PageBench) -> None:
    people = bench.people
    people.add("anna", Role.ADMIN, PASSWORD)
    found: set[str] = set()

    def take(call: object, *given: object) -> None:
        assert callable(call)
        with pytest.raises(PeopleError) as caught:
            call(*given)
        found.update(filter(None, (caught.value.what, caught.value.remedy)))

    take(people.add, "anna", Role.VIEWER, PASSWORD)
    take(people.add, "<", Role.VIEWER, PASSWORD)
    take(people.add, "person-1", Role.VIEWER, PASSWORD)
    take(people.add, "bert", Role.VIEWER, "short")
    take(people.set_role, "anna", Role.VIEWER)
    take(people.set_role, "nobody", Role.VIEWER)
    for _ in range(bench.settings.people.login_attempts):
        take(people.log_in, "anna", "wrong", "::1")
    take(people.log_in, "anna", "wrong", "::1")
    for language in set(LANGUAGES) - {"en"}:
        assert [text for text in found if said(wording(language), text) == text] == []
    assert said(wording("de"), "anna is the only admin") == "anna ist der einzige Administrator"
    assert said(wording("de"), "something else") == "something else"
    assert all("%(" in shape for shape in SHAPES)
    assert not any("%(" in text for text in WHOLE)
