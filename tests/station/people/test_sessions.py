"""Sessions: how long they last, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from saec.errors import PeopleError
from saec.station.people.people_database import PEOPLE
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.person import Person
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from tests.station.people.clocks import OTHER, SECRET, Clock


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Iterator[Sessions]:
    sessions = Sessions(tmp_path, PeopleSettings(), clock=clock, steady=clock)
    yield sessions
    sessions.close()


@pytest.fixture
def anna(store: PeopleStore) -> Person:
    return store.add("anna", Role.OPERATOR, SECRET)


def test_a_token_is_long_random_and_not_kept(sessions: Sessions, anna: Person, tmp_path: Path) -> None:
    one, two = sessions.start(anna), sessions.start(anna)
    assert one != two
    assert len(one) == 43
    assert sessions.person_of(one) == anna
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert one.encode() not in kept
    for other in ("", "x" * 43, one[:-1], one + "x", "\udcff" * 43):
        assert sessions.person_of(other) is None


def test_it_ends_some_hours_after_the_log_in(sessions: Sessions, anna: Person, clock: Clock) -> None:
    token = sessions.start(anna)
    for _ in range(12):
        assert sessions.person_of(token) == anna
        clock.pass_hours(1)
    assert sessions.person_of(token) is None


def test_it_ends_without_requests(sessions: Sessions, anna: Person, clock: Clock) -> None:
    token = sessions.start(anna)
    clock.pass_hours(1.9)
    assert sessions.person_of(token) == anna
    clock.pass_hours(1.9)
    assert sessions.person_of(token) == anna
    clock.pass_hours(2.1)
    assert sessions.person_of(token) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.set_password("anna", OTHER),
        lambda store: store.set_role("anna", Role.ENGINEER),
        lambda store: store.set_role("anna", Role.VIEWER),
        lambda store: store.set_enabled("anna", False),
        lambda store: store.remove("anna"),
    ],
)
def test_a_change_of_rights_ends_it_within_a_second(
    change: Callable[[PeopleStore], None], store: PeopleStore, sessions: Sessions, anna: Person, clock: Clock
) -> None:
    bob = store.add("bob", Role.VIEWER, SECRET)
    token, of_bob = sessions.start(anna), sessions.start(bob)
    assert sessions.person_of(token) == anna
    change(store)
    clock.pass_hours(1 / 3600)
    assert sessions.person_of(token) is None
    assert sessions.person_of(of_bob) == bob


def test_within_a_second_the_database_is_not_asked(
    sessions: Sessions, anna: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = sessions._db.rows

    def counted(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return rows(sql, values)

    monkeypatch.setattr(sessions._db, "rows", counted)
    token = sessions.start(anna)
    for _ in range(100):
        sessions.person_of(token)
    assert len(asked) == 1
    clock.pass_hours(1 / 3600)
    sessions.person_of(token)
    assert len(asked) == 2


def test_a_log_out_ends_one_and_all_of_a_name_end_together(sessions: Sessions, anna: Person) -> None:
    one, two, three = (sessions.start(anna) for _ in range(3))
    for token in (one, two, three):
        assert sessions.person_of(token) == anna
    sessions.end(one)
    assert [sessions.person_of(token) for token in (one, two, three)] == [None, anna, anna]
    sessions.end_all("ANNA")
    assert [sessions.person_of(token) for token in (one, two, three)] == [None, None, None]


def test_who_is_disabled_begins_none(store: PeopleStore, sessions: Sessions, anna: Person) -> None:
    store.set_enabled("anna", False)
    with pytest.raises(PeopleError):
        sessions.start(anna)


def test_a_person_has_so_many_and_the_oldest_ends(sessions: Sessions, anna: Person, clock: Clock) -> None:
    tokens = []
    for _ in range(33):
        tokens.append(sessions.start(anna))
        clock.now += 1
    assert sessions.person_of(tokens[0]) is None
    assert all(sessions.person_of(token) == anna for token in tokens[1:])


def test_another_process_s_write_makes_nobody_wait(
    store: PeopleStore, sessions: Sessions, anna: Person, clock: Clock
) -> None:
    token = sessions.start(anna)
    clock.pass_hours(1)
    with store._db.transaction():  # the last request cannot be written meanwhile
        assert sessions.person_of(token) == anna


def test_another_process_knows_the_session(
    tmp_path: Path, sessions: Sessions, anna: Person, clock: Clock
) -> None:
    beside = Sessions(tmp_path, PeopleSettings(), clock=clock, steady=clock)
    assert beside.person_of(sessions.start(anna)) == anna
    beside.close()


def test_a_damaged_file_lets_nobody_in_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / PEOPLE).write_bytes(b"no database" * 1000)
    sessions = Sessions(tmp_path, PeopleSettings())
    assert sessions.person_of("x" * 43) is None
    assert sessions.person_of("y" * 43) is None
    with pytest.raises(PeopleError, match="damaged"):
        sessions.end("x" * 43)
    (tmp_path / PEOPLE).unlink()  # as its remedy says
    assert sessions.person_of("x" * 43) is None
    sessions.end_all("anna")
    sessions.close()
