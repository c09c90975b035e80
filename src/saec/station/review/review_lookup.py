"""Questions about a review that only an exchange of labels asks."""

from __future__ import annotations

import sqlite3

from saec.station.review.review_database import FRAME_COLUMNS, frame_row
from saec.station.review.review_records import ReviewFrame


def find_picture(db: sqlite3.Connection, sha256: str, frame: str) -> ReviewFrame | None:
    """The frame with this id or, failing that, with this picture; None where neither is of the review."""
    row = db.execute(
        f"SELECT {FRAME_COLUMNS} FROM frames WHERE sha256 = ? OR frame = ? "
        "ORDER BY frame = ? DESC, seq LIMIT 1",
        (sha256, frame, frame),
    ).fetchone()
    return None if row is None else frame_row(row)


def waiting_frames(db: sqlite3.Connection, line: str) -> list[ReviewFrame]:
    """The frames of a line that nobody has answered about."""
    rows = db.execute(
        f"SELECT {FRAME_COLUMNS} FROM frames WHERE state = 'waiting' AND line = ? ORDER BY seq", (line,)
    ).fetchall()
    return [frame_row(row) for row in rows]


def last_label(db: sqlite3.Connection) -> int:
    """The number of the newest label; 0 before the first."""
    ((n,),) = db.execute("SELECT COALESCE(MAX(n), 0) FROM labels").fetchall()
    return int(n)
