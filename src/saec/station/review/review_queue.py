"""Whom a frame is shown to next: leases, second opinions, and the mix of random and ordered frames."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator

from saec.station.review.review_database import FRAME_COLUMNS, frame_row
from saec.station.review.review_records import ReviewFrame, ReviewTask

TURNS = 2
"""Every so many-th new frame of a line is a random one, while any waits."""

_LINES = "(line = :line OR (:line IS NULL AND line NOT IN (SELECT line FROM retired)))"
"""One line, or all that the settings still have."""

_FREE = (
    "NOT EXISTS (SELECT 1 FROM leases WHERE leases.seq = frames.seq AND person <> :person) "
    "AND NOT EXISTS (SELECT 1 FROM labels WHERE labels.seq = frames.seq AND person = :person "
    f"AND withdrawn IS NULL) AND {_LINES}"
)
_DRAWN = "CAST(accepted / 86400 AS INTEGER) DESC, mixed, seq"
"""The newest day first, as it is how the line does now that people want to know; within a day by chance."""

_ORDERED = "why = 'asked' DESC, place, worth DESC, seq"
_OWN = f"SELECT {FRAME_COLUMNS}, state FROM frames JOIN leases USING (seq) "
_NEW = f"SELECT {FRAME_COLUMNS}, state FROM frames WHERE image <> '' AND {_FREE} "


def lease_frames(
    db: sqlite3.Connection, person: str, line: str | None, most: int, now: float, lease_s: float
) -> list[ReviewTask]:
    """Give a person frames that nobody else has, and note it.

    Args:
        db: a connection with an open transaction.
        person: who gets them.
        line: takes this line only; None takes all.
        most: how many.
        now: seconds since the epoch.
        lease_s: seconds for which they are the person's.
    """
    stale = (now, now + 2 * lease_s)  # of the past, and of a clock that was set back since
    db.execute("DELETE FROM leases WHERE until <= ? OR until > ?", stale)
    asked: dict[str, object] = {"person": person, "line": line, "now": now}
    found: dict[int, tuple[ReviewFrame, str]] = {}
    for frame, state in _held(db, asked):
        found.setdefault(frame.seq, (frame, state))
    while len(found) < most and (one := _next(db, asked, list(found))) is not None:
        found[one[0].seq] = one
        if one[1] == "waiting":
            _take_turn(db, one[0].line)
    until = now + lease_s
    for n, frame in enumerate(frame for frame, _ in found.values()):  # in an order that stays
        db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (frame.seq, person, until + n / 1000))
    tasks = list(found.values())[:most]
    return [ReviewTask(frame=frame, second=state == "second", until=until) for frame, state in tasks]


def lend_frame(db: sqlite3.Connection, person: str, seq: int, now: float, lease_s: float) -> bool:
    """Give a person one certain frame before all others; whether nobody else has it."""
    other = db.execute(
        "SELECT 1 FROM leases WHERE seq = ? AND person <> ? AND until > ?", (seq, person, now)
    ).fetchone()
    if other is None:
        own = "SELECT MIN(until) FROM leases WHERE person = ? AND until > ?"
        ((first,),) = db.execute(own, (person, now)).fetchall()
        until = now + lease_s if first is None else first - 1e-3  # what ends first is shown first
        db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (seq, person, until))
    return other is None


def next_reasons(db: sqlite3.Connection, line: str | None, most: int) -> dict[str, int]:
    """What the next frames of a line, or of all, are for, and how many; "second" for second opinions."""
    about = {"line": line, "most": most}
    waits = f"FROM frames WHERE image <> '' AND {_LINES} AND state = "
    ((second,),) = db.execute(f"SELECT COUNT(*) {waits}'second'", about).fetchall()
    ((random,),) = db.execute(f"SELECT COUNT(*) {waits}'waiting' AND why = 'random'", about).fetchall()
    ordered = f"SELECT why {waits}'waiting' AND why <> 'random' ORDER BY {_ORDERED} LIMIT :most"
    others = [why for (why,) in db.execute(ordered, about)]
    left = most - min(second, most)
    drawn = min(random, max(-(-left // TURNS), left - len(others)))
    found = Counter({"second": min(second, most), "random": drawn}) + Counter(others[: left - drawn])
    return dict(found.most_common())


def _held(db: sqlite3.Connection, asked: dict[str, object]) -> Iterator[tuple[ReviewFrame, str]]:
    rows = db.execute(
        f"{_OWN} WHERE person = :person AND (:line IS NULL OR line = :line) AND image <> '' "
        "AND state IN ('waiting', 'second') ORDER BY until, seq",
        asked,
    )
    return ((frame_row(row[:-1]), row[-1]) for row in rows.fetchall())


def _next(
    db: sqlite3.Connection, asked: dict[str, object], taken: list[int]
) -> tuple[ReviewFrame, str] | None:
    """Second opinions first, then a random frame or the one whose label helps most, by turns."""
    without = f"AND seq NOT IN ({','.join(map(str, taken))}) " if taken else ""
    random = f"{_NEW} {without} AND state = 'waiting' AND why = 'random' ORDER BY {_DRAWN} LIMIT 1"
    ordered = f"{_NEW} {without} AND state = 'waiting' AND why <> 'random' ORDER BY {_ORDERED} LIMIT 1"
    first, then = (random, ordered) if _turn(db, asked["line"]) % TURNS == 0 else (ordered, random)
    for sql in (f"{_NEW} {without} AND state = 'second' ORDER BY seq LIMIT 1", first, then):
        row = db.execute(sql, asked).fetchone()
        if row is not None:
            return frame_row(row[:-1]), row[-1]
    return None


def _turn(db: sqlite3.Connection, line: object) -> int:
    row = db.execute(
        "SELECT SUM(value) FROM marks WHERE name LIKE 'turn:%' "
        "AND (:line IS NULL OR name = 'turn:' || :line)",
        {"line": line},
    ).fetchone()
    return int(row[0] or 0)


def _take_turn(db: sqlite3.Connection, line: str) -> None:
    db.execute(
        "INSERT INTO marks VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        (f"turn:{line}",),
    )
