"""What a window of time adds up to, stretch by stretch and in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from saec.schedule.statistics.wilson_interval import wilson_interval
from saec.station.page.numbers.time_window import TimeWindow
from saec.station.storage.counts.verdict_counts import VerdictCounts
from saec.station.storage.records import Alarm
from saec.station.storage.spool_reader import SpoolReader

_ALARMS = 2000


@dataclass(frozen=True, slots=True)
class FrameSums:
    """Sums over frames, each by its newest verdict; see ``VerdictCounts``."""

    goods: int = 0
    defects: int = 0
    errors: int = 0
    edge: int = 0
    cloud: int = 0
    fallback: int = 0
    late: int = 0
    joules: float = 0.0
    metered: int = 0
    seconds: float = 0.0
    answered: int = 0

    @property
    def frames(self) -> int:
        return self.goods + self.defects + self.errors

    @property
    def nobody(self) -> int:
        """The frames that nobody decided."""
        return self.frames - self.edge - self.cloud - self.fallback

    def share(self, count: int) -> float | None:
        """A count as a share of the frames; None without frames."""
        return count / self.frames if self.frames else None

    def interval(self, count: int) -> tuple[float, float] | None:
        """The 95 % interval of that share by Wilson; None without frames."""
        return wilson_interval(count, self.frames)

    @property
    def joules_each(self) -> float | None:
        """Energy of a frame, of those of which it is known; None where it is known of none."""
        return self.joules / self.metered if self.metered else None

    @property
    def seconds_each(self) -> float | None:
        """Time from a frame's arrival to its first verdict, the mean where it is known."""
        return self.seconds / self.answered if self.answered else None


_SUMMED = tuple(field.name for field in fields(FrameSums))


@dataclass(frozen=True, slots=True)
class TimeStretch:
    """A part of a window with its sums.

    Attributes:
        begin, end: seconds since the epoch.
        lines: each line's counts.
    """

    begin: float
    end: float
    sums: FrameSums
    lines: Sequence[VerdictCounts]


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """A window with all its figures; alarms are those that came in it, newest first."""

    window: TimeWindow
    stretches: Sequence[TimeStretch]
    sums: FrameSums
    alarms: Sequence[Alarm]


def window_figures(reader: SpoolReader, window: TimeWindow) -> WindowFigures:
    """Count a window; whole hours of it are counted already, so a year costs little more than a day."""
    edges = window.edges
    stretches = [_stretch(reader, begin, end, window.line) for begin, end in pairwise(edges)]
    alarms = [alarm for alarm in reader.alarms(_ALARMS) if _is_within(alarm, window)]
    return WindowFigures(window, stretches, _added(one.sums for one in stretches), alarms)


def _stretch(reader: SpoolReader, begin: float, end: float, line: str | None) -> TimeStretch:
    lines = reader.verdict_counts(begin, end, end - begin, line)
    return TimeStretch(begin, end, _added(lines), lines)


def _added(parts: Iterable[VerdictCounts | FrameSums]) -> FrameSums:
    sums: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
    for one in parts:
        for name in _SUMMED:
            sums[name] += getattr(one, name)
    return FrameSums(**sums)


def _is_within(alarm: Alarm, window: TimeWindow) -> bool:
    if alarm.last < window.since or alarm.first >= window.until:
        return False
    line = window.line
    return line is None or alarm.about == line or alarm.frame.startswith(f"{line}-")
