"""The frames of a line that wait in the order in which a label helps most, and no more than so many."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from saec.decoding import decode
from saec.schedule.review_order.frame_sequence import ordered_frames
from saec.schedule.review_order.label_worth import LabelFacts, label_worth
from saec.types import DEFECT, GOOD

_BEST, _LEAST_SURE = 40, 5
"""Frames of one look at new verdicts that may join those that wait: by worth, and the least sure of the
passed and of the rejected ones. The order of many frames costs their square."""


def likely_best(facts: Sequence[LabelFacts]) -> list[int]:
    """The indices of the new frames that may join those that wait."""
    every = range(len(facts))
    chosen = set(sorted(every, key=lambda at: -label_worth(facts[at]).worth)[:_BEST])
    for label, sign in ((GOOD, -1), (DEFECT, 1)):
        some = [at for at in every if facts[at].label == label]
        chosen |= set(sorted(some, key=lambda at: sign * facts[at].chance)[:_LEAST_SURE])
    return sorted(chosen)


def waiting_facts(db: sqlite3.Connection, line: str) -> dict[int, LabelFacts]:
    """What is known of the frames of a line that wait in the order of worth, in that order."""
    rows = db.execute(
        "SELECT seq, facts FROM frames WHERE line = ? AND state = 'waiting' AND probability IS NULL "
        "AND facts IS NOT NULL AND image <> '' ORDER BY place, seq",
        (line,),
    ).fetchall()
    return {seq: decode(blob, LabelFacts) for seq, blob in rows}


def order_waiting(
    db: sqlite3.Connection, line: str, new: dict[int, LabelFacts], most: int
) -> tuple[dict[int, int], list[int]]:
    """Where the frames of a line stand in the order of worth, those that wait and new ones.

    Args:
        new: the new frames, by their numbers.
        most: how many may wait.

    Returns:
        the place of each that stays, and the numbers of those that do not.
    """
    facts = waiting_facts(db, line) | new
    order = ordered_frames(list(facts.values()), labelled_kinds(db, line), count_labelled(db, line))
    seqs = list(facts)
    ranked = [seqs[at] for at in order]
    return {seq: place for place, seq in enumerate(ranked[:most])}, ranked[most:]


def count_labelled(db: sqlite3.Connection, line: str) -> int:
    """How many frames of a line were answered that came in the order of worth."""
    sql = "SELECT COUNT(*) FROM frames WHERE line = ? AND probability IS NULL AND state IN ('done', 'second')"
    return int(db.execute(sql, (line,)).fetchone()[0])


def labelled_kinds(db: sqlite3.Connection, line: str) -> list[str]:
    """The kinds of the defects of a line that people have named, one for each label that stands."""
    rows = db.execute(
        "SELECT json_extract(CAST(answer AS TEXT), '$.kind') FROM labels JOIN frames USING (seq) "
        "WHERE line = ? AND withdrawn IS NULL",
        (line,),
    )
    return [kind for (kind,) in rows if kind]


def encoded_facts(facts: LabelFacts) -> bytes:
    """As they are kept."""
    return msgspec.json.encode(facts)
