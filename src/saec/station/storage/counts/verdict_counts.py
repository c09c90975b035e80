"""What verdicts add up to in each stretch of a time window, for each line.

Whole hours are read from a table that is kept with each verdict, the rest of a stretch from the frames'
newest verdicts themselves. A year by day so reads about 9,000 rows for each line, however many frames there
were, and each question is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from saec.station.storage.database.latest_verdicts import COUNTED, HOUR, SUMS_OF_HOURS, SUMS_OF_ROWS
from saec.station.storage.database.side_reader import SideReader


class VerdictCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the frames of a line that the station accepted in a stretch of time; a frame counts once, by
    its newest verdict.

    Attributes:
        time: where the stretch begins, seconds since the epoch.
        goods, defects, errors: their labels; an error has none.
        edge, cloud, fallback: who decided; fallback is the edge for a cloud that did not answer.
        late: the line had no verdict to act on by its deadline.
        joules: energy of the ``metered`` frames, those of which it is known.
        seconds: time from arrival to the first verdict, of the ``answered`` frames, likewise.
    """

    line: str
    time: float
    goods: int
    defects: int
    errors: int
    edge: int
    cloud: int
    fallback: int
    late: int
    joules: float
    metered: int
    seconds: float
    answered: int


def count_verdicts(
    db: SideReader, since: float, until: float, step_s: float, line: str | None = None
) -> list[VerdictCounts]:
    """The counts of each stretch and line in which there is a frame, in the order of time and line.

    Args:
        since, until: the window, seconds since the epoch; ``until`` is left out. The last stretch ends there.
        step_s: length of a stretch, more than 0 seconds.
    """
    counts, n = [], 0
    while (begin := since + n * step_s) < until:
        n += 1
        sums: dict[str, list[Any]] = {}
        for name, *values in _stretch(db, begin, min(until, since + n * step_s), line):
            known = sums.setdefault(name, [0] * len(COUNTED))
            sums[name] = [a + b for a, b in zip(known, values, strict=True)]
        for name in sorted(sums):
            fields = dict(zip(COUNTED, sums[name], strict=True))
            counts.append(VerdictCounts(line=name, time=begin, **fields))
    return counts


def _stretch(db: SideReader, begin: float, end: float, line: str | None) -> list[Sequence[Any]]:
    """Lines with their sums in the parts of a stretch: before its whole hours, these, and after them."""
    first, last = int(-(-begin // HOUR)), int(end // HOUR)
    if first >= last:
        return _rows_between(db, begin, end, line)
    named, values = ("AND line = ?", [line]) if line is not None else ("", [])
    hours = db.rows(
        f"SELECT line, {SUMS_OF_HOURS} FROM hours WHERE hour >= ? AND hour < ? {named} GROUP BY line",
        [first, last, *values],
    )
    return [
        *_rows_between(db, begin, first * HOUR, line),
        *hours,
        *_rows_between(db, last * HOUR, end, line),
    ]


def _rows_between(db: SideReader, begin: float, end: float, line: str | None) -> list[Sequence[Any]]:
    if begin >= end:
        return []
    named, values = ("AND line = ?", [line]) if line is not None else ("", [])
    return db.rows(
        f"SELECT line, {SUMS_OF_ROWS} FROM latest INDEXED BY latest_time "
        f"WHERE time >= ? AND time < ? {named} GROUP BY line",
        [begin, end, *values],
    )
