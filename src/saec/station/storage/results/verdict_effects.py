"""What follows from a verdict in its own transaction: search and counts, deliveries, alarms."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from saec.station.storage.alarms import add_to_counter, count_kind, raise_alarm
from saec.station.storage.database.latest_verdicts import note_latest
from saec.station.storage.records import VerdictState
from saec.types import VerdictRecord

_LABELS = {0: "good", 1: "defect"}


def follow_verdict(
    db: sqlite3.Connection,
    seq: int,
    state: VerdictState,
    verdict: VerdictRecord,
    *,
    now: float,
    earlier: Mapping[str, int | None],
    sinks: Sequence[str],
    alarms: Sequence[tuple[str, str]],
) -> None:
    """Write what follows from a verdict that is written. From one on a golden part nothing does.

    Args:
        db: a connection with an open transaction.
        now: seconds since the epoch.
        earlier: labels of the frame's earlier verdicts, by state.
        sinks: who is sent it.
        alarms: (kind, text) of what else it gives rise to.
    """
    if verdict.challenge:
        return
    note_latest(db, seq, verdict)
    db.executemany(
        "INSERT INTO outbox (sink, seq, state, time) VALUES (?, ?, ?, ?)",
        [(sink, seq, state, now) for sink in sinks],
    )
    for kind, text in (*alarms, *_disagreement(earlier, verdict)):
        raise_alarm(db, now, kind, text, frame=verdict.id, about=verdict.line)
    label = _LABELS.get(-1 if verdict.label is None else verdict.label, "error")
    add_to_counter(db, f"verdict:{verdict.line}:{state}:{label}:{verdict.decided_by}", 1)
    if state == "final" and verdict.kind is not None:
        count_kind(db, verdict.line, verdict.kind)


def _disagreement(earlier: Mapping[str, int | None], final: VerdictRecord) -> list[tuple[str, str]]:
    if "provisional" not in earlier or earlier["provisional"] == final.label:
        return []
    words = {0: "good", 1: "defect", None: "an error"}
    acted, stands = words[earlier["provisional"]], words[final.label]
    return [("disagreement", f"the line acted on {acted}; the answer that stands is {stands}")]
