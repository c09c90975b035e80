"""The window of time that Numbers shows: chosen by a word or by its ends, and cut into stretches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from saec.station.page.search.search_form import moment_of, moment_text
from saec.station.page.words.languages import msgid

_HOUR, _DAY = 3600.0, 86400.0

WINDOWS: Mapping[str, tuple[str, float]] = {
    "hour": (msgid("Last hour"), _HOUR),
    "shift": (msgid("Last 8 hours (a shift)"), 8 * _HOUR),
    "day": (msgid("Last 24 hours"), _DAY),
    "week": (msgid("Last 7 days"), 7 * _DAY),
    "month": (msgid("Last 30 days"), 30 * _DAY),
}
"""Windows that end now, by their keys: what they are called, and their seconds."""

CHOSEN = "chosen"
"""The key of a window with ends of its own."""

_FIRST = "shift"
_STEPS = (60.0, 300.0, 600.0, 1800.0, _HOUR, 4 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY)
_FINE = 12 * _HOUR
"""Seconds up to which a stretch may be shorter than an hour: whole hours are counted already."""

_MOST = 61
_LONGEST = 20 * 364 * _DAY


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A window as it was asked.

    Attributes:
        name: a key of ``WINDOWS``, or ``CHOSEN``.
        since, until: its ends, seconds since the epoch; ``until`` is left out.
        line: the line that is counted; None counts all.
        runs: whether it ends now, and so changes.
        wrong: what is wrong with it, in English; "" where nothing is.
        step: seconds of a stretch; the first and the last may be shorter.
    """

    name: str
    since: float
    until: float
    line: str | None
    runs: bool
    wrong: str
    step: float

    @property
    def tail(self) -> str:
        """The window behind an address."""
        fields = {"window": self.name}
        if self.line is not None:
            fields["line"] = self.line
        if self.name == CHOSEN:
            fields |= {"since": moment_text(self.since), "until": moment_text(self.until)}
        return f"?{urlencode(fields)}"

    @property
    def edges(self) -> list[float]:
        """Where its stretches begin, and the end of the last: at full hours and days of its zone."""
        inner = _days(self) if self.step >= _DAY else _parts_of_days(self)
        return [self.since, *inner, self.until]


def read_window(form: Mapping[str, str], lines: Sequence[str], now: float) -> TimeWindow:
    """The window that a form or an address asks for."""
    line = form.get("line") if form.get("line") in lines else None
    name = form.get("window", "")
    since, until = (moment_of(form.get(end, "")) for end in ("since", "until"))
    if name in WINDOWS or (name != CHOSEN and since is None and until is None):
        name = name if name in WINDOWS else _FIRST
        return _window(name, now - WINDOWS[name][1], now, line, runs=True)
    until_now = not form.get("until", "").strip()
    end = now if until_now else until
    if since is None or end is None:
        return _unread(line, now, msgid("The beginning or the end is no date with a time."))
    if since >= end:
        return _unread(line, now, msgid("The window ends before it begins."))
    return _window(CHOSEN, max(since, end - _LONGEST), end, line, runs=end >= now)


def _window(name: str, since: float, until: float, line: str | None, *, runs: bool) -> TimeWindow:
    span = until - since
    least = 0.0 if span <= _FINE else _HOUR
    step = next((step for step in _STEPS if step >= least and span / step <= _MOST), _STEPS[-1])
    return TimeWindow(name, since, until, line, runs, "", step)


def _unread(line: str | None, now: float, wrong: str) -> TimeWindow:
    return TimeWindow(CHOSEN, now - WINDOWS[_FIRST][1], now, line, False, wrong, _HOUR)


def _parts_of_days(window: TimeWindow) -> Iterator[float]:
    begin = datetime.combine(_day(window.since), time()).timestamp()
    n = math.floor((window.since - begin) / window.step) + 1
    while (edge := begin + n * window.step) < window.until:
        yield edge
        n += 1


def _days(window: TimeWindow) -> Iterator[float]:
    day, step = _day(window.since), timedelta(seconds=window.step)
    while True:
        day += step
        edge = datetime.combine(day, time()).timestamp()
        if edge >= window.until:
            return
        yield edge


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds).date()
