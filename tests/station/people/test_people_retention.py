"""Personal data go in time, by a clock that is trusted, and never at the line's cost."""

from __future__ import annotations

from pathlib import Path

from saec.station.people.people_database import PEOPLE
from saec.station.people.people_retention import PeopleRetention
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from tests.station.people.clocks import Clock

DAY = 86_400.0


def test_old_data_go_once_an_hour_by_a_trusted_clock(
    store: PeopleStore, tmp_path: Path, clock: Clock
) -> None:
    retention = PeopleRetention(tmp_path, PeopleSettings())
    retention.keep_within(clock.now)
    store.admit("https://login 1", "anna", Role.OPERATOR)
    retention.keep_within(None)
    retention.keep_within(clock.now + 60)
    assert store.find("anna") is not None
    retention.keep_within(clock.now + 91 * DAY)
    assert store.find("anna") is None


def test_without_people_no_file_is_made(tmp_path: Path) -> None:
    PeopleRetention(tmp_path, PeopleSettings()).keep_within(1e9)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_stops_no_housekeeping(tmp_path: Path) -> None:
    (tmp_path / PEOPLE).write_bytes(b"no database" * 1000)
    PeopleRetention(tmp_path, PeopleSettings()).keep_within(1e9)
