"""Pseudonyms: shown in place of names, known for a time, then nobody's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from saec.station.people.people_database import PEOPLE, PSEUDONYMS
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from tests.station.people.clocks import SECRET, Clock, Notes

SETTINGS = PeopleSettings(pseudonyms=True, name_days=30, session_hours=24 * 100, idle_hours=24 * 100)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[PeopleStore]:
    store = PeopleStore(tmp_path, SETTINGS, clock=clock)
    yield store
    store.close()


def test_a_person_is_shown_by_one_pseudonym_everywhere(
    store: PeopleStore, tmp_path: Path, clock: Clock
) -> None:
    notes = Notes()
    anna = store.add("anna", Role.OPERATOR, SECRET, note=notes)
    assert re.fullmatch("person-[0-9a-f]{6}", anna.shown)
    assert anna.name == "anna"
    sessions = Sessions(tmp_path, SETTINGS, clock=clock, steady=clock)
    assert sessions.person_of(sessions.start(anna)) == anna
    store.log_in("anna", SECRET, "", note=notes)
    store.set_role("anna", Role.VIEWER, note=notes)
    assert {row[1] for row in notes.rows} == {anna.shown}
    assert "anna" not in repr(notes.rows)
    assert store.add("bob", Role.VIEWER, SECRET).shown != anna.shown
    sessions.close()


def test_the_two_files_say_who_it_is_only_together(store: PeopleStore, tmp_path: Path) -> None:
    shown = store.add("anna", Role.OPERATOR, SECRET).shown
    store.close()
    assert shown.encode() not in (tmp_path / PEOPLE).read_bytes()
    assert shown.encode() in (tmp_path / PSEUDONYMS).read_bytes()


def test_it_changes_in_time_and_is_forgotten_later(store: PeopleStore, clock: Clock) -> None:
    first = store.add("anna", Role.OPERATOR, SECRET).shown
    clock.pass_hours(24 * 29.9)
    assert store.find("anna").shown == first
    clock.pass_hours(24 * 0.2)
    second = store.find("anna").shown
    assert second != first
    assert [(one.pseudonym, one.name) for one in store.pseudonyms.all()] == [
        (first, "anna"),
        (second, "anna"),
    ]
    clock.pass_hours(24 * 29.8)
    assert store.forget() == 0
    clock.pass_hours(24 * 0.2)
    assert store.forget() == 1
    assert [one.pseudonym for one in store.pseudonyms.all()] == [second]


def test_that_of_somebody_who_has_left_is_forgotten(store: PeopleStore, tmp_path: Path, clock: Clock) -> None:
    store.add("boss", Role.ADMIN, SECRET)
    shown = store.add("annabel", Role.OPERATOR, SECRET).shown
    store.remove("annabel")
    assert [one.until for one in store.pseudonyms.all() if one.pseudonym == shown] == [clock.now]
    clock.pass_hours(24 * 30)
    assert store.forget() == 1
    store.close()
    assert all(b"annabel" not in path.read_bytes() for path in tmp_path.iterdir())


def test_who_never_comes_back_is_forgotten_all_the_same(store: PeopleStore, clock: Clock) -> None:
    store.add("anna", Role.OPERATOR, SECRET)
    clock.pass_hours(24 * 61)
    assert store.forget() == 1
    assert store.pseudonyms.all() == []


def test_a_new_person_of_an_old_name_is_another(store: PeopleStore) -> None:
    one = store.add("anna", Role.OPERATOR, SECRET)
    store.remove("anna")
    assert store.add("anna", Role.OPERATOR, SECRET).shown != one.shown


def test_without_the_option_there_is_no_map(tmp_path: Path) -> None:
    store = PeopleStore(tmp_path, PeopleSettings())
    assert store.add("anna", Role.OPERATOR, SECRET).shown == "anna"
    store.remove("anna")
    store.close()
    assert not (tmp_path / PSEUDONYMS).exists()
