"""What root makes on the machine's shell belongs to whoever the station runs as."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from tests.station.people.clocks import SECRET

SOMEBODY = 12_345


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_files_to_the_folder_s_owner(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, SOMEBODY, SOMEBODY)
    store = PeopleStore(home / "station-data", PeopleSettings(pseudonyms=True))
    store.add("anna", Role.VIEWER, SECRET)
    found = list(home.rglob("*"))
    assert {path.name for path in found} >= {
        "station-data",
        "people.sqlite",
        "people.sqlite-wal",
        "pseudonyms.sqlite",
    }
    assert {path.stat().st_uid for path in found} == {SOMEBODY}
    store.close()
