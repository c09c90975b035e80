"""The first admin is made with a code that only the box tells; there is no default password."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import LogInError, PeopleError
from saec.station.people.people_database import PEOPLE
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.setup_code import renewed_setup_address, setup_address
from tests.station.people.clocks import SECRET, Notes


def test_the_code_makes_one_admin_and_is_gone(store: PeopleStore) -> None:
    notes = Notes()
    assert store.needs_setup()
    code = store.setup.renew()
    assert code is not None
    assert len(code) == 32
    assert store.setup.current() == code
    boss = store.set_up(code, "boss", SECRET, note=notes)
    assert boss.role is Role.ADMIN
    assert notes.rows == [("person.add", "boss", None, {"role": "admin"})]
    assert not store.needs_setup()
    assert store.setup.current() is store.setup.renew() is None
    with pytest.raises(LogInError):
        store.set_up(code, "other", SECRET)
    assert [person.name for person in store.all()] == ["boss"]


def test_a_wrong_code_makes_nobody(store: PeopleStore) -> None:
    for code in ("", "x", "\udcff"):
        with pytest.raises(LogInError):
            store.set_up(code, "boss", SECRET)
    first = store.setup.renew()
    second = store.setup.renew()
    assert first != second
    for code in (first or "", "", "0" * 32):
        with pytest.raises(LogInError):
            store.set_up(code, "boss", SECRET)
    assert store.all() == []


def test_a_weak_password_leaves_the_code(store: PeopleStore) -> None:
    code = store.setup.current() or ""
    with pytest.raises(PeopleError):
        store.set_up(code, "boss", "short")
    assert store.set_up(code, "boss", SECRET).name == "boss"


def test_another_process_prints_the_code_of_the_log(store: PeopleStore, tmp_path: Path) -> None:
    beside = PeopleStore(tmp_path, PeopleSettings())
    assert beside.setup.current() == store.setup.current()
    beside.close()


@pytest.mark.parametrize("way", ["add", "role", "oidc"])
def test_any_first_admin_ends_the_set_up(store: PeopleStore, way: str) -> None:
    store.setup.renew()
    store.add("viewer", Role.VIEWER, SECRET)
    assert store.needs_setup()
    if way == "add":
        store.add("boss", Role.ADMIN, SECRET)
    elif way == "role":
        store.set_role("viewer", Role.ADMIN)
    else:
        store.admit("https://login 1", "boss", Role.ADMIN)
    assert not store.needs_setup()
    assert store.setup.current() is None


def test_each_start_has_a_code_of_its_own_until_there_is_an_admin(store: PeopleStore, tmp_path: Path) -> None:
    one, two = (renewed_setup_address(tmp_path, "http://127.0.0.1:8090") or "" for _ in range(2))
    assert one != two
    store.set_up(two.partition("code=")[2], "boss", SECRET)
    assert renewed_setup_address(tmp_path, "http://127.0.0.1:8090") is None


def test_a_station_starts_with_people_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / PEOPLE).write_bytes(b"no database" * 1000)
    assert renewed_setup_address(tmp_path, "http://127.0.0.1:8090") is None


def test_the_address_is_the_station_s() -> None:
    assert setup_address("http://127.0.0.1:8090/", "c0de") == "http://127.0.0.1:8090/page/setup?code=c0de"
    assert setup_address("https://[::1]:8090", "c0de") == "https://[::1]:8090/page/setup?code=c0de"
    everywhere = "https://cell-3.plant:8090/page/setup?code=c0de"
    for station in ("https://0.0.0.0:8090", "https://[::]:8090/", "https://:8090"):
        assert setup_address(station, "c0de", ("cell-3.plant", "other")) == everywhere
    assert ":8090/page/setup?code=c0de" in setup_address("http://0.0.0.0:8090", "c0de")
