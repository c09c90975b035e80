"""Parts found by their id, with their verdicts and frames; who asks here keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from saec.decoding import decode
from saec.station.storage.database.side_reader import SideReader
from saec.station.storage.records import PartVerdict, frame_id

_COLUMNS = "SELECT seq, line, part, begun, due, decided, verdict FROM parts"


class PartStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A visit of a part to a line whose parts get a verdict.

    Attributes:
        n: number of the visit, that of its first frame.
        begun, due: when its first frame was accepted, and when a missing frame is missed; seconds since the
            epoch.
        decided: when its verdict was written; None while it waits.
        frames: ids of all its frames, those that came after the verdict among them.
        verdict: what it is and what it was made of; None while it waits.
    """

    n: int
    line: str
    part: str
    begun: float
    due: float
    decided: float | None
    frames: tuple[str, ...]
    verdict: PartVerdict | None


def parts_named(db: SideReader, part: str, most: int) -> list[PartStanding]:
    """The visits of a part, the newest first, of all lines."""
    rows = db.rows(f"{_COLUMNS} WHERE part = ? ORDER BY seq DESC LIMIT ?", (part, most))
    return [_standing(db, row) for row in rows]


def part_shown(db: SideReader, seq: int) -> PartStanding | None:
    """The visit of a part that a frame is of; None where it is of none."""
    rows = db.rows(f"{_COLUMNS} WHERE seq = (SELECT first FROM views WHERE views.seq = ?)", (seq,))
    return _standing(db, rows[0]) if rows else None


def _standing(db: SideReader, row: Sequence[Any]) -> PartStanding:
    seq, line, part, begun, due, decided, blob = row
    frames = db.rows("SELECT seq FROM views WHERE first = ? ORDER BY seq", (seq,))
    return PartStanding(
        n=seq,
        line=line,
        part=part,
        begun=begun,
        due=due,
        decided=decided,
        frames=tuple(frame_id(line, one) for (one,) in frames),
        verdict=None if blob is None else decode(blob, PartVerdict),
    )
