"""Lock-out: by name and by address, the same whether there is the name or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from saec.errors import LogInError, PeopleError
from saec.station.people import people_store
from saec.station.people.passwords import is_password
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from tests.station.people.clocks import OTHER, SECRET, Clock

HERE, THERE = "10.0.0.5", "10.0.0.6"


def answer(store: PeopleStore, name: str, password: str = OTHER, address: str = HERE) -> str:
    """What a log-in is answered."""
    with pytest.raises(LogInError) as caught:
        store.log_in(name, password, address)
    return str(caught.value)


def test_a_name_is_locked_and_let_in_again_later(store: PeopleStore, clock: Clock) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for _ in range(5):
        assert "wrong" in answer(store, "anna")
    assert "15 min" in answer(store, "anna", SECRET)
    assert "too many" in answer(store, "ANNA", SECRET, THERE)
    clock.pass_hours(0.249)
    assert "1 min" in answer(store, "anna", SECRET)
    clock.pass_hours(0.002)
    assert store.log_in("anna", SECRET, HERE).name == "anna"


def test_a_name_that_there_is_not_gets_the_same_answers_and_the_same_work(
    store: PeopleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    store.add("off", Role.VIEWER, SECRET)
    store.set_enabled("off", False)
    store.add("bare", Role.VIEWER, None)
    store.admit("https://login 1", "provided", Role.VIEWER)
    work: list[str] = []

    def compare(kept: str | None, given: str) -> bool:
        work.append(name)
        return is_password(kept, given)

    monkeypatch.setattr(people_store, "is_password", compare)
    answers: dict[str, list[str]] = {}
    name = ""
    for n, name in enumerate(("anna", "nobody", "off", "bare", "provided")):
        password = OTHER if name == "anna" else SECRET
        answers[name] = [answer(store, name, password, f"10.0.1.{n}") for _ in range(7)]
    assert len({tuple(said) for said in answers.values()}) == 1
    assert {name: work.count(name) for name in answers} == dict.fromkeys(answers, 5)


def test_a_right_password_starts_the_count_anew(store: PeopleStore) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for _ in range(3):
        for _ in range(4):
            answer(store, "anna")
        store.log_in("anna", SECRET, HERE)


def test_an_address_that_tries_many_names_is_locked_whatever_it_logs_in_between(
    store: PeopleStore, clock: Clock
) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for n in range(50):
        assert "wrong" in answer(store, f"name{n}")
        if n < 49:
            store.log_in("anna", SECRET, HERE)
    assert "too many" in answer(store, "anna", SECRET)
    assert "too many" in answer(store, "yet-another")
    assert store.log_in("anna", SECRET, THERE).name == "anna"
    clock.pass_hours(0.26)
    assert store.log_in("anna", SECRET, HERE).name == "anna"


def test_a_network_of_ipv6_is_one_address(store: PeopleStore) -> None:
    for n in range(50):
        answer(store, f"name{n}", address=f"2001:db8::{n:x}")
    assert "too many" in answer(store, "more", address="2001:db8::ffff")
    assert "wrong" in answer(store, "more", address="2001:db8:1::1")


def test_a_new_password_lifts_the_lock(store: PeopleStore) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for _ in range(6):
        answer(store, "anna")
    store.set_password("anna", OTHER)
    assert store.log_in("anna", OTHER, HERE).name == "anna"


def test_processes_count_together(store: PeopleStore, tmp_path: Path, clock: Clock) -> None:
    beside = PeopleStore(tmp_path, PeopleSettings(), clock=clock)
    for n in range(5):
        assert "wrong" in answer((store, beside)[n % 2], "anna")
    assert "too many" in answer(store, "anna")
    assert "too many" in answer(beside, "anna")
    beside.close()


def test_who_is_turned_away_for_the_crowd_has_not_tried(
    store: PeopleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("anna", Role.VIEWER, SECRET)

    def crowded(kept: str | None, given: str) -> bool:
        raise PeopleError("too many people log in at this moment")

    with monkeypatch.context() as patch:
        patch.setattr(people_store, "is_password", crowded)
        for _ in range(20):
            with pytest.raises(PeopleError, match="moment"):
                store.log_in("anna", SECRET, HERE)
    assert store.log_in("anna", SECRET, HERE).name == "anna"


def test_what_was_typed_for_a_name_is_not_kept(store: PeopleStore, tmp_path: Path) -> None:
    answer(store, "my-own-password-by-mistake")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"by-mistake" not in kept
    assert HERE.encode() not in kept


def test_the_log_says_from_where_and_not_what_was_typed(store: PeopleStore) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(9):
            answer(store, "my-own-password-by-mistake", "another-password")
    assert logs == [{"event": "log-in refused", "log_level": "warning", "address": HERE}] * 5


def test_a_clock_that_is_set_back_locks_nobody_for_long(store: PeopleStore, clock: Clock) -> None:
    store.add("anna", Role.VIEWER, SECRET)
    for _ in range(6):
        answer(store, "anna")
    clock.pass_hours(-24 * 365)
    assert store.log_in("anna", SECRET, HERE).name == "anna"


@pytest.mark.parametrize("name", ["", "\udcff", "a" * 100_000, "\0"])
def test_any_text_may_be_typed(store: PeopleStore, name: str) -> None:
    assert "wrong" in answer(store, name, name)
