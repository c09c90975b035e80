"""What a person should know: alarms, folded by kind, and counters that outlive the process.

An alarm that comes again and again is one row: what it is about, how often, when first and when last. A
device that fails each second so makes no row a second, and what is rare is not pushed out of sight.
"""

from __future__ import annotations

import sqlite3

from saec.station.storage.records import Alarm

SAME_ALARM_SECONDS = 86400.0
"""Seconds after which an alarm that comes again makes a row of its own, with another first time."""

ALARMS_KEPT = 2000
"""Rows; beyond it the alarm that has not come for the longest goes."""

FRAMES_NAMED = 20
"""Of the frames that an alarm is about, so many are named, the latest last."""

KINDS_COUNTED = 100
"""Names of kinds of defect that are counted apart, for each line."""

OTHER_KINDS = "other kinds"
"""The name under which all further kinds of a line are counted."""

_LONGEST_TEXT = 2000


def raise_alarm(
    db: sqlite3.Connection, now: float, kind: str, text: str, *, frame: str = "", about: str = ""
) -> None:
    """Note an alarm, in the row of the last day where there is one; its ``n`` rises, as that of a new one.

    Args:
        db: a connection with an open transaction.
        now: seconds since the epoch.
        kind: one word or two, as "disagreement".
        text: one sentence, with the remedy.
        frame: id of the frame that it is about, or "".
        about: the line, source, sink or thread concerned; alarms about different things are not folded.
    """
    add_to_counter(db, f"alarm:{kind}", 1)
    row = db.execute(
        "SELECT n, first, last, count, frames FROM alarms WHERE kind = ? AND about = ? "
        "ORDER BY n DESC LIMIT 1",
        (kind, about),
    ).fetchone()
    first, count, frames = now, 0, ""
    if row is not None and abs(now - row[2]) <= SAME_ALARM_SECONDS:
        first, count, frames = row[1], row[3], row[4]
        db.execute("DELETE FROM alarms WHERE n = ?", (row[0],))
    named = " ".join([*frames.split(), *frame.split()][-FRAMES_NAMED:])
    values = (kind, about, text[:_LONGEST_TEXT], named, count + 1, first, now)
    n = db.execute(
        "INSERT INTO alarms (kind, about, text, frames, count, first, last) VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    ).lastrowid
    if count == 0 and n is not None:
        db.execute(
            "DELETE FROM alarms WHERE n <= (SELECT n FROM alarms ORDER BY n DESC LIMIT 1 OFFSET ?)",
            (ALARMS_KEPT,),
        )


def read_alarms(db: sqlite3.Connection, most: int, after: int) -> list[Alarm]:
    """The alarms that came last, newest first, of those beyond ``after`` in n."""
    rows = db.execute(
        "SELECT n, kind, about, text, frames, count, first, last FROM alarms WHERE n > ? "
        "ORDER BY n DESC LIMIT ?",
        (after, most),
    ).fetchall()
    return [
        Alarm(
            n=n,
            kind=kind,
            about=about,
            text=text,
            frame=(frames.split() or [""])[-1],
            frames=tuple(frames.split()),
            count=count,
            first=first,
            last=last,
        )
        for n, kind, about, text, frames, count, first, last in rows
    ]


def count_kind(db: sqlite3.Connection, line: str, kind: str) -> None:
    """Count a defect of a kind. Beyond ``KINDS_COUNTED`` names of a line, new ones count as ``OTHER_KINDS``.

    A line has few kinds, but each version may have others, and a counter's name is kept for good.
    """
    name = f"kind:{line}:{kind}"
    if db.execute("SELECT 1 FROM counters WHERE name = ?", (name,)).fetchone() is None:
        start = f"kind:{line}:"
        names = db.execute(
            "SELECT COUNT(*) FROM counters WHERE substr(name, 1, ?) = ?", (len(start), start)
        ).fetchone()[0]
        if names >= KINDS_COUNTED:
            name = f"{start}{OTHER_KINDS}"
    add_to_counter(db, name, 1)


def add_to_counter(db: sqlite3.Connection, name: str, by: int) -> None:
    """Add to a counter; one that is new begins at 0."""
    db.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
        (name, by, by),
    )
