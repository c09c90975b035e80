"""Which time and which version the view Quality shows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from saec.station.page.numbers.time_window import TimeWindow
from saec.station.page.words.languages import msgid
from saec.station.quality.review_samples import whole_hours
from saec.station.quality.shift_windows import last_shifts

QUALITY_WINDOWS: Mapping[str, str] = {
    "shift": msgid("This shift"),
    "before": msgid("The shift before"),
    "day": msgid("Last 24 hours"),
    "week": msgid("Last 7 days"),
    "month": msgid("Last 30 days"),
}
"""Windows by their keys."""

_HOURS = {"day": 24, "week": 168, "month": 720}
_SHIFTS = 21


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """A window as it was asked.

    Attributes:
        name: a key of ``QUALITY_WINDOWS``.
        line: the line; "" where the station has none.
        version: the version; None counts all.
        since, until: whole hours, seconds since the epoch.
    """

    name: str
    line: str
    version: str | None
    since: float
    until: float


def read_quality_window(
    form: Mapping[str, str], lines: Sequence[str], shifts: Sequence[int], now: float
) -> QualityWindow:
    """The window that a form asks for; without one the present shift of the first line."""
    name = form.get("window", "")
    name = name if name in QUALITY_WINDOWS else "shift"
    line = form.get("line", "")
    line = line if line in lines else next(iter(lines), "")
    before, current = last_shifts(now, shifts, 2)
    since, until = current.since, now
    if name == "before":
        since, until = before
    elif name in _HOURS:
        since = now - 3600.0 * _HOURS[name]
    return QualityWindow(name, line, form.get("version", "").strip() or None, *whole_hours(since, until))


def plotted_windows(asked: QualityWindow, shifts: Sequence[int], now: float) -> list[tuple[float, float]]:
    """The stretches of the plots: the shifts of a week or so, or the days of a month; whole hours."""
    if asked.name != "month":
        return [whole_hours(*one) for one in last_shifts(now, shifts, _SHIFTS)]
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=n) for n in range(-1, 30)][::-1]
    return [whole_hours(a.timestamp(), b.timestamp()) for a, b in itertools.pairwise(days)]


def plot_room(windows: Sequence[tuple[float, float]]) -> TimeWindow:
    """The time over which stretches are plotted."""
    return TimeWindow("chosen", windows[0][0], windows[-1][1], None, False, "", 3600.0)
