"""When shifts begin and end, by the clock of the plant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import NamedTuple

_DAY = timedelta(days=1)


class ShiftWindow(NamedTuple):
    """A shift: seconds since the epoch; ``until`` is left out."""

    since: float
    until: float


def shift_at(moment: float, hours: Sequence[int]) -> ShiftWindow:
    """The shift that a moment is in.

    Args:
        moment: seconds since the epoch.
        hours: hours of the day at which shifts begin, local time, at least one.
    """
    begins = _begins(moment, hours)
    since = max(begin for begin in begins if begin <= moment)
    return ShiftWindow(since, min(begin for begin in begins if begin > moment))


def last_shifts(now: float, hours: Sequence[int], count: int) -> list[ShiftWindow]:
    """The shift of now and those before it, oldest first."""
    found = [shift_at(now, hours)]
    while len(found) < count:
        found.append(shift_at(found[-1].since - 1.0, hours))
    return found[::-1]


def _begins(moment: float, hours: Sequence[int]) -> list[float]:
    """Beginnings from the day before to the day after; a clock that is put forward or back moves them."""
    today = datetime.fromtimestamp(moment).date()
    days = (today - _DAY, today, today + _DAY)
    return sorted({datetime.combine(day, time(hour)).timestamp() for day in days for hour in hours})
