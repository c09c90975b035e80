"""What each picture may be used for, stated once: what was taught never proves anything."""

from __future__ import annotations

import sqlite3

from saec.station.review.review_records import Use


def use_keys(line: str, sha256: str, part: str) -> list[str]:
    """The keys under which the use of a picture is known: its bytes, and its part on the line."""
    return [f"sha256:{sha256}", *([f"part:{line}/{part}"] if part else [])]


def stated_use(db: sqlite3.Connection, line: str, sha256: str, part: str) -> Use | None:
    """The use of a picture or of its part; None where none was stated."""
    for key in use_keys(line, sha256, part):
        row = db.execute("SELECT use FROM uses WHERE key = ?", (key,)).fetchone()
        if row is not None:
            use: Use = row[0]
            return use
    return None


def state_use(db: sqlite3.Connection, line: str, sha256: str, part: str, use: Use, now: float) -> Use:
    """State the use of a picture and of its part, unless one is stated already; the one that holds."""
    holds = stated_use(db, line, sha256, part) or use
    for key in use_keys(line, sha256, part):
        db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", (key, holds, now))
    return holds


def settle_part(db: sqlite3.Connection, line: str, part: str, use: Use, now: float) -> Use:
    """State the use of a part when a frame of it gets a label; the one that holds.

    It is not stated before, so that a frame that waits, and may never be labelled, keeps no other picture of
    its part from proving.
    """
    if not part:
        return use
    key = use_keys(line, "", part)[-1]
    db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", (key, use, now))
    holds: Use = db.execute("SELECT use FROM uses WHERE key = ?", (key,)).fetchone()[0]
    return holds
