"""What the frames of a window add up to, by who decided them."""

from __future__ import annotations

import msgspec

from saec.station.storage.database.side_reader import SideReader

_STEP_S = 86_400.0
"""Seconds that one question looks through, so that each is short."""


class DeciderSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the frames of one decider, each by its newest verdict.

    Attributes:
        decider: who decided, see ``DecidedBy``.
        frames: how many there are, errors left out.
        defects: how many of them are rejected.
        joules: energy of the ``metered`` frames, those of which it is known.
        seconds: time from arrival to the first verdict, of the ``timed`` frames, likewise.
    """

    decider: str
    frames: int
    defects: int
    joules: float
    metered: int
    seconds: float
    timed: int


def sum_by_decider(
    db: SideReader, line: str, since: float, until: float, version: str | None = None
) -> list[DeciderSums]:
    """The sums of a line's frames, by decider in the order of names.

    Args:
        since, until: accepted in this window, seconds since the epoch; ``until`` is left out.
        version: takes what this version judged.
    """
    sums: dict[str, list[float]] = {}
    begin = since
    while begin < until:
        end = min(until, begin + _STEP_S)
        rows = db.rows(
            "SELECT decided_by, COUNT(*), SUM(label IS 1), SUM(COALESCE(joules, 0.0)), "
            "SUM(joules IS NOT NULL), SUM(COALESCE(answer, 0.0)), SUM(answer IS NOT NULL) "
            "FROM latest INDEXED BY latest_time WHERE time >= ? AND time < ? AND line = ? "
            "AND label IS NOT NULL AND (? IS NULL OR version = ?) GROUP BY decided_by",
            (begin, end, line, version, version),
        )
        for decider, *values in rows:
            known = sums.setdefault(decider, [0.0] * len(values))
            sums[decider] = [a + b for a, b in zip(known, values, strict=True)]
        begin = end
    return [
        DeciderSums(
            decider=decider,
            frames=int(frames),
            defects=int(defects),
            joules=joules,
            metered=int(metered),
            seconds=seconds,
            timed=int(timed),
        )
        for decider, (frames, defects, joules, metered, seconds, timed) in sorted(sums.items())
    ]
