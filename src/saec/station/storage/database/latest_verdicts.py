"""The newest verdict of each frame in columns that can be searched, and the counts of each hour.

Both are made of frames and verdicts alone. ``note_latest`` writes the row within the verdict's own
transaction; triggers keep the counts, so they are right whoever deletes a frame, and however.
"""

from __future__ import annotations

import math
import sqlite3
import unicodedata

from saec.decoding import decode
from saec.station.storage.records import frame_name
from saec.types import VerdictRecord

HOUR = 3600

_COUNTED = {
    "goods": "{row}label IS 0",
    "defects": "{row}label IS 1",
    "errors": "{row}label IS NULL",
    "edge": "{row}decided_by = 'edge'",
    "cloud": "{row}decided_by = 'cloud'",
    "fallback": "{row}decided_by = 'edge-fallback'",
    "late": "{row}late",
    "joules": "COALESCE({row}joules, 0.0)",
    "metered": "{row}joules IS NOT NULL",
    "seconds": "COALESCE({row}answer, 0.0)",
    "answered": "{row}answer IS NOT NULL",
}
COUNTED = tuple(_COUNTED)
"""The columns of table ``hours``; each is a sum over rows of ``latest``."""

SUMS_OF_ROWS = ", ".join(f"SUM({sql.format(row='')})" for sql in _COUNTED.values())
SUMS_OF_HOURS = ", ".join(f"SUM({name})" for name in COUNTED)


def _terms(row: str) -> list[str]:
    return [sql.format(row=row) for sql in _COUNTED.values()]


def _of_hour(row: str) -> str:
    return f"hour = CAST({row}time AS INTEGER) / {HOUR} AND line = {row}line"


_TYPES = {"joules": "REAL", "seconds": "REAL"}
_COLUMNS = ", ".join(f"{name} {_TYPES.get(name, 'INTEGER')} NOT NULL" for name in COUNTED)
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTED)
_TAKEN = ", ".join(f"{name} = {name} - ({term})" for name, term in zip(COUNTED, _terms("old."), strict=True))


LATEST = f"""
CREATE TABLE IF NOT EXISTS latest (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL UNIQUE REFERENCES frames (seq) ON DELETE CASCADE,
    time REAL NOT NULL, line TEXT NOT NULL, name TEXT NOT NULL, label INTEGER, decided_by TEXT NOT NULL,
    state TEXT NOT NULL, score REAL, p_defect REAL, version TEXT NOT NULL, kind TEXT, late INTEGER NOT NULL,
    joules REAL, answer REAL);
CREATE INDEX IF NOT EXISTS latest_time ON latest (time);
CREATE TABLE IF NOT EXISTS hours (
    hour INTEGER NOT NULL, line TEXT NOT NULL, {_COLUMNS},
    PRIMARY KEY (hour, line)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS latest_counted AFTER INSERT ON latest BEGIN
    INSERT INTO hours VALUES (CAST(new.time AS INTEGER) / {HOUR}, new.line, {", ".join(_terms("new."))})
    ON CONFLICT (hour, line) DO UPDATE SET {_ADDED};
END;
CREATE TRIGGER IF NOT EXISTS latest_uncounted AFTER DELETE ON latest BEGIN
    UPDATE hours SET {_TAKEN} WHERE {_of_hour("old.")};
    DELETE FROM hours WHERE {_of_hour("old.")} AND goods + defects + errors = 0;
END;
"""
"""``name`` is what is searched (``folded``); the name itself is made from the frame's key.

``time`` is when the station accepted the frame. ``late``: by its deadline the line had no verdict to act on.
``joules``: the newest verdict's share of energy. ``answer``: seconds from the frame's arrival to its first
verdict. NULL is unknown.
"""

_MOST = 1e9
"""Joules or seconds beyond which a number is no measurement; their sums stay finite."""


def folded(name: str) -> str:
    """A name as it is compared: without regard to case, and to how its accents are encoded."""
    return unicodedata.normalize("NFC", name.casefold())


def note_latest(db: sqlite3.Connection, seq: int, verdict: VerdictRecord) -> None:
    """A frame's newest verdict takes the place of its row, with a number ``n`` beyond all others.

    Args:
        db: a connection with an open transaction; frame and verdict are written.
    """
    line, source, key, accepted, version, acted = db.execute(
        "SELECT line, source, key, accepted, version, "
        "EXISTS (SELECT 1 FROM verdicts WHERE verdicts.seq = frames.seq AND act) FROM frames WHERE seq = ?",
        (seq,),
    ).fetchone()
    earlier = db.execute("DELETE FROM latest WHERE seq = ? RETURNING answer", (seq,)).fetchall()
    answer = earlier[0][0] if earlier else _measured(verdict.ms.get("answer"), 1e-3)
    db.execute(
        "INSERT INTO latest (seq, time, line, name, label, decided_by, state, score, p_defect, version, "
        "kind, late, joules, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(seq, accepted, line, folded(frame_name(source, key)), verdict.label, verdict.decided_by),
            *(verdict.state, verdict.score, verdict.p_defect, version, verdict.kind),
            *(not acted, _measured(verdict.energy_j), answer),
        ),
    )


def rebuild_latest(db: sqlite3.Connection) -> None:
    """Make all rows from frames and verdicts, in the order in which the frames' newest verdicts came.

    Args:
        db: a connection with an open transaction, whose verdicts can be decoded and are of known frames.
    """
    seqs = db.execute(
        "SELECT seq FROM verdicts JOIN frames USING (seq) WHERE challenge = '' "
        "GROUP BY seq ORDER BY MAX(time), seq"
    ).fetchall()
    for (seq,) in seqs:
        told = db.execute("SELECT verdict FROM verdicts WHERE seq = ? ORDER BY state DESC", (seq,)).fetchall()
        for (blob,) in told:  # the provisional one first
            note_latest(db, seq, decode(blob, VerdictRecord))


def _measured(value: float | None, unit: float = 1.0) -> float | None:
    """A measurement; None where it is none."""
    return value * unit if value is not None and math.isfinite(value) and 0.0 <= value < _MOST else None
