"""Accounts: who is added, changed and removed, and what of it is recorded."""

from __future__ import annotations

import stat
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from saec.errors import LogInError, PeopleError
from saec.station.people.people_database import PEOPLE
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from tests.station.people.clocks import OTHER, SECRET, Clock, Notes


def test_each_role_allows_what_those_before_it_may() -> None:
    order = ["viewer", "operator", "engineer", "admin"]
    for (i, role), (j, needed) in product(enumerate(order), enumerate(order)):
        assert Role(role).allows(Role(needed)) == (i >= j)


def test_a_person_is_added_found_and_logs_in(store: PeopleStore) -> None:
    added = store.add("Anna Müller", Role.OPERATOR, SECRET)
    assert (added.name, added.shown, added.role, added.enabled) == (
        "Anna Müller",
        "Anna Müller",
        "operator",
        True,
    )
    assert store.find("ANNA MÜLLER") == added
    assert store.log_in("anna müller", SECRET, "10.0.0.5") == added
    assert store.find("bob") is None
    assert store.all() == [added]


def test_another_process_sees_it_at_once(store: PeopleStore, tmp_path: Path) -> None:
    beside = PeopleStore(tmp_path, PeopleSettings())
    store.add("anna", Role.VIEWER, SECRET)
    assert [person.name for person in beside.all()] == ["anna"]
    beside.set_role("anna", Role.ENGINEER)
    assert store.find("anna").role is Role.ENGINEER
    beside.close()


def test_only_its_owner_reads_the_file_and_it_holds_no_password(store: PeopleStore, tmp_path: Path) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "name",
    ["", " anna", "anna ", "an\nna", "a" * 65, "anna:x", "<b>", "shell:root", "-anna", "person-7f3a1c"],
)
def test_a_name_that_could_mislead_is_refused(store: PeopleStore, name: str) -> None:
    with pytest.raises(PeopleError):
        store.add(name, Role.VIEWER, SECRET)
    assert store.all() == []


@pytest.mark.parametrize("name", ["a", "王小明", "o'neil", "anna.m", "a-b@plant.example", "Ånna"])
def test_names_of_all_scripts_are_taken(store: PeopleStore, name: str) -> None:
    assert store.add(name, Role.VIEWER, SECRET).name == name


@pytest.mark.parametrize("other", ["ANNA", "anna", "Ａnna"])
def test_one_name_is_one_person_however_it_is_spelt(store: PeopleStore, other: str) -> None:
    store.add("Anna", Role.VIEWER, SECRET)
    with pytest.raises(PeopleError, match="already"):
        store.add(other, Role.ADMIN, SECRET)
    assert len(store.all()) == 1


def test_without_a_password_nobody_logs_in(store: PeopleStore) -> None:
    store.add("anna", Role.VIEWER, None)
    for password in ("", SECRET):
        with pytest.raises(LogInError):
            store.log_in("anna", password, "")
    store.set_password("anna", SECRET)
    assert store.log_in("anna", SECRET, "").name == "anna"


def test_who_is_disabled_or_removed_stays_out(store: PeopleStore) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    store.set_enabled("anna", False)
    with pytest.raises(LogInError):
        store.log_in("anna", SECRET, "")
    store.set_enabled("anna", True)
    store.log_in("anna", SECRET, "")
    store.remove("anna")
    with pytest.raises(LogInError):
        store.log_in("anna", SECRET, "")


def test_there_is_always_an_admin(store: PeopleStore) -> None:
    store.add("anna", Role.ADMIN, SECRET)
    store.add("bob", Role.ADMIN, None)  # cannot log in
    store.add("eve", Role.ADMIN, SECRET)
    store.set_enabled("eve", False)
    changes: tuple[Callable[[], object], ...] = (
        lambda: store.set_role("anna", Role.ENGINEER),
        lambda: store.set_enabled("anna", False),
        lambda: store.remove("anna"),
    )
    for change in changes:
        with pytest.raises(PeopleError, match="only admin"):
            change()
    store.set_enabled("eve", True)
    store.remove("anna")
    assert [person.name for person in store.all()] == ["bob", "eve"]


def test_a_change_of_nobody_is_an_error(store: PeopleStore) -> None:
    changes: tuple[Callable[[], object], ...] = (
        lambda: store.set_password("bob", SECRET),
        lambda: store.set_role("bob", Role.ADMIN),
        lambda: store.set_enabled("bob", True),
        lambda: store.set_language("bob", "de"),
        lambda: store.remove("bob"),
    )
    for change in changes:
        with pytest.raises(PeopleError, match="no person named 'bob'"):
            change()
    assert store.needs_setup()


def test_each_change_is_recorded_without_the_password(store: PeopleStore) -> None:
    notes = Notes()
    store.add("anna", Role.VIEWER, SECRET, note=notes)
    store.set_password("anna", OTHER, note=notes)
    store.set_role("anna", Role.OPERATOR, note=notes)
    store.set_enabled("anna", False, note=notes)
    store.set_enabled("anna", True, note=notes)
    store.log_in("anna", OTHER, "10.0.0.5", note=notes)
    store.remove("anna", note=notes)
    assert notes.rows == [
        ("person.add", "anna", None, {"role": "viewer"}),
        ("person.password", "anna", None, None),
        ("person.role", "anna", "viewer", "operator"),
        ("person.disable", "anna", True, False),
        ("person.enable", "anna", False, True),
        ("person.log_in", "anna", None, {"role": "operator", "via": "password"}),
        ("person.remove", "anna", {"role": "operator"}, None),
    ]


def test_where_the_record_fails_nothing_changes(store: PeopleStore) -> None:
    def fail(what: str, about: str, before: Any, after: Any) -> None:
        raise OSError("the disk is full")

    store.add("anna", Role.ADMIN, SECRET)
    store.add("bob", Role.ADMIN, SECRET)
    before = store.all()
    changes: tuple[Callable[[], object], ...] = (
        lambda: store.add("eve", Role.ADMIN, SECRET, note=fail),
        lambda: store.set_password("anna", OTHER, note=fail),
        lambda: store.set_role("anna", Role.VIEWER, note=fail),
        lambda: store.set_enabled("anna", False, note=fail),
        lambda: store.remove("anna", note=fail),
        lambda: store.log_in("anna", SECRET, "", note=fail),
    )
    for change in changes:
        with pytest.raises(OSError, match="full"):
            change()
    assert store.all() == before
    assert store.log_in("anna", SECRET, "").name == "anna"


def test_a_language_is_kept(store: PeopleStore) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    store.set_language("anna", "zh_Hans")
    assert store.find("anna").language == "zh_Hans"
    store.set_language("anna", None)
    assert store.find("anna").language is None


def test_who_the_provider_vouches_for_is_made_and_kept_up_to_date(store: PeopleStore, tmp_path: Path) -> None:
    notes, sessions = Notes(), Sessions(tmp_path, PeopleSettings())
    anna = store.admit("https://login 1", "anna", Role.OPERATOR, note=notes)
    assert (anna.via, anna.role) == ("oidc", "operator")
    token = sessions.start(anna)
    again = store.admit("https://login 1", "anna.m", Role.ENGINEER, note=notes)
    assert (again.name, again.role, len(store.all())) == ("anna.m", "engineer", 1)
    assert sessions.person_of(token) is None
    assert [row[0] for row in notes.rows] == ["person.role", "person.log_in"] * 2
    with pytest.raises(LogInError):
        store.log_in("anna.m", "", "")
    with pytest.raises(PeopleError, match="provider"):
        store.set_password("anna.m", SECRET)
    sessions.close()


def test_a_provider_takes_over_no_account(store: PeopleStore) -> None:
    store.add("boss", Role.ADMIN, SECRET)
    store.admit("https://login 1", "anna", Role.OPERATOR)
    for subject, name in (
        ("https://login 2", "Boss"),
        ("https://login 2", "anna"),
        ("https://login 1", "boss"),
    ):
        with pytest.raises(LogInError, match="another account"):
            store.admit(subject, name, Role.ADMIN)
    store.set_enabled("anna", False)
    with pytest.raises(LogInError, match="disabled"):
        store.admit("https://login 1", "anna", Role.ADMIN)
    assert [(p.name, p.role) for p in store.all()] == [("anna", "operator"), ("boss", "admin")]


def test_an_unused_account_of_a_provider_is_forgotten(store: PeopleStore, clock: Clock) -> None:
    store.add("boss", Role.ADMIN, SECRET)
    for n, name in enumerate(("anna", "bob", "eve")):
        store.admit(f"https://login {n}", name, Role.OPERATOR)
    store.set_enabled("eve", False)
    clock.pass_hours(24 * 89)
    store.admit("https://login 1", "bob", Role.OPERATOR)
    assert store.forget() == 0
    clock.pass_hours(24)
    assert store.forget() == 1
    assert [p.name for p in store.all()] == ["bob", "boss", "eve"]


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / PEOPLE).write_bytes(b"no database" * 1000)
    with pytest.raises(PeopleError, match=r"people.sqlite is damaged") as caught:
        PeopleStore(tmp_path, PeopleSettings())
    assert caught.value.remedy
