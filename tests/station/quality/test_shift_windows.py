"""Shifts follow the clock of the plant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from saec.station.quality.shift_windows import last_shifts, shift_at

HOURS = [6, 14, 22]


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        ("2026-06-10 06:00", "2026-06-10 06:00", "2026-06-10 14:00"),
        ("2026-06-10 13:59", "2026-06-10 06:00", "2026-06-10 14:00"),
        ("2026-06-10 23:30", "2026-06-10 22:00", "2026-06-11 06:00"),
        ("2026-06-10 02:30", "2026-06-09 22:00", "2026-06-10 06:00"),
    ],
)
def test_a_moment_is_in_one_shift(now: str, since: str, until: str) -> None:
    assert shift_at(at(now), HOURS) == (at(since), at(until))


def test_the_night_in_which_the_clock_goes_back_has_nine_hours() -> None:
    window = shift_at(at("2026-10-25 04:00"), HOURS)
    assert (window.until - window.since) / 3600 == 9


def test_shifts_follow_each_other() -> None:
    shifts = last_shifts(at("2026-03-30 10:00"), HOURS, 7)
    assert [one.until for one in shifts[:-1]] == [one.since for one in shifts[1:]]
    assert shifts[-1] == shift_at(at("2026-03-30 10:00"), HOURS)


def test_one_shift_a_day_lasts_until_the_next() -> None:
    window = shift_at(at("2026-06-10 05:00"), [6])
    assert (window.since, window.until) == (at("2026-06-09 06:00"), at("2026-06-10 06:00"))
