"""What the rows of a review add up to."""

from __future__ import annotations

from saec.station.review.review_records import OfferedCount, ReviewState
from saec.station.storage.database.shared_database import SharedDatabase

_HOUR = 3600
_BLOCK = 4096
"""Frames of a block of table ``counted``."""


def waiting_by_reason(db: SharedDatabase, line: str | None) -> dict[str, int]:
    """How many frames wait, by why they are shown; "second" where another person is asked."""
    rows = db.rows(
        "SELECT CASE state WHEN 'second' THEN 'second' ELSE why END AS what, COUNT(*) FROM frames "
        "WHERE state IN ('waiting', 'second') AND image <> '' AND (? IS NULL OR line = ?) GROUP BY what",
        (line, line),
    )
    return {str(what): int(count) for what, count in rows}


def offered_counts(
    db: SharedDatabase, line: str | None, since: float | None, until: float | None, version: str | None
) -> list[OfferedCount]:
    """How many frames there were and how many were drawn, see ``ReviewStore.offered``."""
    first = -(2**62) if since is None else int(since // _HOUR)
    last = 2**62 if until is None else int(-(-until // _HOUR))
    rows = db.rows(
        "SELECT line, version, hour, stratum, probability, frames, drawn, lost FROM offered "
        "WHERE hour >= ? AND hour < ? AND (? IS NULL OR line = ?) AND (? IS NULL OR version = ?) "
        "ORDER BY hour, line, version, stratum",
        (first, last, line, line, version, version),
    )
    return [OfferedCount(**dict(zip(OfferedCount.__struct_fields__, row, strict=True))) for row in rows]


def review_states(db: SharedDatabase) -> dict[str, ReviewState]:
    """How the review of each line stands, by its name."""
    sums: dict[str, dict[str, int]] = {}
    for sql, names in (
        ("SUM(frames), SUM(drawn), SUM(lost) FROM offered", ("frames", "drawn", "lost")),
        ("SUM(image <> ''), SUM((image <> '') * size) FROM frames", ("pictures", "size")),
        ("COUNT(*) FROM labels JOIN frames USING (seq) WHERE withdrawn IS NULL", ("labels",)),
        ("COUNT(*) FROM leases JOIN frames USING (seq)", ("held",)),
    ):
        for line, *values in db.rows(f"SELECT line, {sql} GROUP BY line"):
            sums.setdefault(line, {}).update(zip(names, map(int, values), strict=True))
    lines = sorted(sums.items())
    return {line: ReviewState(waiting=waiting_by_reason(db, line), **found) for line, found in lines}


def last_reviewed(db: SharedDatabase) -> int:
    """The last frame that a review knows or has counted; 0 before the first."""
    ((last,),) = db.rows("SELECT COALESCE(MAX(seq), 0) FROM frames")
    rows = db.rows("SELECT block, bits FROM counted ORDER BY block DESC LIMIT 1")
    counted: list[int] = [
        block * _BLOCK + int.from_bytes(bits, "little").bit_length() - 1 for block, bits in rows
    ]
    return max([int(last), *counted])


def named_kinds(db: SharedDatabase, line: str | None) -> list[str]:
    """The kinds of defects that people have named, in alphabetical order."""
    rows = db.rows(
        "SELECT DISTINCT json_extract(CAST(answer AS TEXT), '$.kind') FROM labels "
        "JOIN frames USING (seq) WHERE withdrawn IS NULL AND (? IS NULL OR line = ?)",
        (line, line),
    )
    return sorted(kind for (kind,) in rows if kind)


def labels_since(db: SharedDatabase, since: float, person: str | None, line: str | None) -> int:
    """How many labels that stand were given since a time, seconds since the epoch."""
    ((count,),) = db.rows(
        "SELECT COUNT(*) FROM labels JOIN frames USING (seq) WHERE withdrawn IS NULL AND time >= ? "
        "AND (? IS NULL OR labels.person = ?) AND (? IS NULL OR line = ?)",
        (since, person, person, line, line),
    )
    return int(count)
