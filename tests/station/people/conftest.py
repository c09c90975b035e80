"""Cheap hashes: what they cost is argon2's business, and nothing here depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from saec.station.people import passwords
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from tests.station.people.clocks import Clock


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[PeopleStore]:
    store = PeopleStore(tmp_path, PeopleSettings(), clock=clock)
    yield store
    store.close()
