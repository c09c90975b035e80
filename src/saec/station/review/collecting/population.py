"""How many frames there were and how many were drawn: each frame counts once, whatever else happens.

A bit for each frame says that it was counted, and is set in the transaction that counts it. So a frame counts
once also where the collector died, the spool was repaired, or either of them was restored from a backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from saec.station.review.review_records import Stratum

HOUR = 3600
_BLOCK = 4096
"""Frames of a block of bits; ``review_sums`` reads them as well."""


def uncounted(db: sqlite3.Connection, seqs: Iterable[int]) -> set[int]:
    """The frames of these that were not counted yet."""
    blocks: dict[int, bytes] = {}
    found = set()
    for seq in seqs:
        block, place = divmod(seq, _BLOCK)
        if block not in blocks:
            row = db.execute("SELECT bits FROM counted WHERE block = ?", (block,)).fetchone()
            blocks[block] = bytes(_BLOCK // 8) if row is None else row[0]
        if not blocks[block][place // 8] >> place % 8 & 1:
            found.add(seq)
    return found


def mark_counted(db: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Note that these frames are counted; within the transaction that counts them."""
    blocks: dict[int, bytearray] = {}
    for seq in seqs:
        block, place = divmod(seq, _BLOCK)
        if block not in blocks:
            row = db.execute("SELECT bits FROM counted WHERE block = ?", (block,)).fetchone()
            blocks[block] = bytearray(_BLOCK // 8) if row is None else bytearray(row[0])
        blocks[block][place // 8] |= 1 << place % 8
    db.executemany("INSERT OR REPLACE INTO counted VALUES (?, ?)", [(k, bytes(v)) for k, v in blocks.items()])


def add_offered(
    db: sqlite3.Connection,
    line: str,
    version: str,
    accepted: float,
    stratum: Stratum,
    probability: float,
    *,
    frames: int = 0,
    drawn: int = 0,
    lost: int = 0,
) -> None:
    """Add to the counts of a line, version, hour, stratum and probability.

    Args:
        accepted: when the frames came, seconds since the epoch.
    """
    key = (line, version, int(accepted // HOUR), stratum, probability)
    db.execute(
        "INSERT INTO offered (line, version, hour, stratum, probability, frames, drawn, lost) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (line, version, hour, stratum, probability) DO UPDATE SET "
        "frames = frames + excluded.frames, drawn = drawn + excluded.drawn, lost = lost + excluded.lost",
        (*key, frames, drawn, lost),
    )
