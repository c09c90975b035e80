"""What the station's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from saec.station.people.passwords import hash_password


@pytest.fixture(autouse=True, scope="session")
def hash_each_password_once() -> Iterator[None]:
    """The hash is as slow as it must be, so a password that many tests give has one for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saec.station.people.people_store.hash_password", cache(hash_password))
        yield
