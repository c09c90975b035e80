"""What was told of a frame when it was taken, as its verdicts carry it."""

from __future__ import annotations

import sqlite3

import msgspec

from saec.decoding import decode
from saec.types import Capture, VerdictRecord


def as_captured(db: sqlite3.Connection, seq: int, verdict: VerdictRecord) -> VerdictRecord:
    """A verdict with its frame's part, recipe, capture and challenge, whoever made it.

    A part that the edge has read in the picture becomes the frame's, whose source knew none.

    Args:
        db: a connection with an open transaction, which holds the frame.
    """
    found = db.execute("SELECT part, recipe, capture, challenge FROM frames WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        return verdict
    part, recipe, capture, challenge = found
    if verdict.part and not part:
        db.execute("UPDATE frames SET part = ? WHERE seq = ?", (verdict.part, seq))
    taken = None if capture is None else decode(capture, Capture)
    return msgspec.structs.replace(
        verdict, part=part or verdict.part, recipe=recipe, capture=taken, challenge=challenge
    )
