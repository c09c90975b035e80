"""Frames found by their newest verdict: newest first, page by page, and what has changed since.

A table of narrow rows is read from its end, a slice at a time, until enough is found. An index of parts
serves where a part has few frames, one of times where the window holds few. More indexes would cost each
verdict more than they save (``benchmarks/frame_search.py``).
"""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec

from saec.station.storage.database.latest_verdicts import folded
from saec.station.storage.database.side_reader import SideReader
from saec.station.storage.records import frame_id, frame_name

_SLICE = 50_000
"""Numbers that one question looks at, so that it ends soon."""

_NEAR = 2
"""Slices after which all others are asked of the disk at once: the search will take long."""

_FEW = 20_000
"""Frames of a window up to which they are sorted instead of looked for among all."""

_FEW_OF_PART = 200_000
"""Frames with one id up to which they are sorted: an order's number may stand for the id of a part."""

_NUMBERS = 2**63 - 1

_COLUMNS = (
    *("n", "seq", "time", "line", "source", "key", "label", "decided_by", "state", "score", "p_defect"),
    *("version", "kind", "late", "joules", "part"),
)
_OF_FRAMES = ("source", "key", "part")
_FOUND = "SELECT " + ", ".join(f"{'frames' if c in _OF_FRAMES else 'latest'}.{c}" for c in _COLUMNS)
_JOINED = "CROSS JOIN frames ON frames.seq = latest.seq"  # in this order, as few of the rows are looked up
_OF_TIME = f"latest INDEXED BY latest_time {_JOINED}"
_OF_PART = "frames INDEXED BY frames_part CROSS JOIN latest ON latest.seq = frames.seq"


class FrameQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest verdict of a frame has to be; None leaves a field out.

    Attributes:
        label: 0 is good, 1 is defect; an error has none, see ``state``.
        decided_by: "edge", "cloud", "edge-fallback" or "none".
        state: "final", "provisional" or "error".
        since, until: when the station accepted the frame, seconds since the epoch; ``until`` is left out.
        score_from, score_to: bounds of the edge's anomaly score, both included.
        name: a part of the frame's name, in any case; each character means itself.
        version: number of the line version, as text.
        kind: the edge's name for the kind of defect.
        part: id of the part, the whole of it.
        before: the ``n`` of the last frame of the page before this one.
    """

    line: str | None = None
    label: int | None = None
    decided_by: str | None = None
    state: str | None = None
    since: float | None = None
    until: float | None = None
    score_from: float | None = None
    score_to: float | None = None
    name: str | None = None
    version: str | None = None
    kind: str | None = None
    part: str | None = None
    before: int | None = None


class FoundFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame and its newest verdict.

    Attributes:
        n: rises with each verdict of any frame; never used again.
        time: when the station accepted it, seconds since the epoch.
        name: what a person calls it, see ``frame_name``.
        score, p_defect: anomaly score of the edge; calibrated P(defect) of the decision.
        late: the line had no verdict to act on by its deadline.
        joules: the verdict's share of measured energy; None where none was measured.
        part: id of the part that it shows, "" when unknown.
    """

    n: int
    seq: int
    id: str
    time: float
    line: str
    source: str
    name: str
    label: int | None
    decided_by: str
    state: str
    score: float | None
    p_defect: float | None
    version: str
    kind: str | None
    late: bool
    joules: float | None
    part: str


_CONDITIONS = {
    "line": "latest.line = ?",
    "label": "latest.label = ?",
    "decided_by": "latest.decided_by = ?",
    "state": "latest.state = ?",
    "since": "latest.time >= ?",
    "until": "latest.time < ?",
    "score_from": "latest.score >= ?",
    "score_to": "latest.score <= ?",
    "name": "instr(latest.name, ?)",
    "version": "latest.version = ?",
    "kind": "latest.kind = ?",
    "part": "frames.part = ? AND frames.part <> ''",
}


def search_frames(db: SideReader, query: FrameQuery, most: int) -> list[FoundFrame]:
    """The frames that a query means, newest verdict first.

    A frame that gets a new verdict meanwhile moves before the first page: no frame comes twice, however many
    pages are read.
    """
    where, values = _meant(query)
    before = _NUMBERS if query.before is None else min(query.before, _NUMBERS)
    if few := _few_rows(db, query):
        sql = f"{_FOUND} FROM {few} WHERE {where} AND latest.n < ?"
        return _found(db, f"{sql} ORDER BY latest.n DESC LIMIT ?", [*values, before, most])
    sql = f"{_FOUND} FROM latest NOT INDEXED {_JOINED} WHERE latest.n > ? AND latest.n <= ? AND {where}"
    found: list[FoundFrame] = []
    for n in count():
        if len(found) >= most:
            break
        if n == _NEAR:
            db.prefetch("latest")
        ((top,),) = db.rows("SELECT MAX(n) FROM latest WHERE n < ?", (before,))
        if top is None:
            break
        before = top - _SLICE + 1
        slice_values = [before - 1, top, *values, most - len(found)]
        found += _found(db, f"{sql} ORDER BY latest.n DESC LIMIT ?", slice_values)
    return found


def newer_frames(db: SideReader, query: FrameQuery, after_n: int, most: int) -> list[FoundFrame]:
    """The frames that a query means with a verdict since a number, in the order of their newest verdicts; its
    ``before`` is left out."""
    where, values = _meant(query)
    if few := _few_rows(db, query):
        sql = f"{_FOUND} FROM {few} WHERE {where} AND latest.n > ?"
        return _found(db, f"{sql} ORDER BY latest.n LIMIT ?", [*values, after_n, most])
    sql = f"{_FOUND} FROM latest NOT INDEXED {_JOINED} WHERE latest.n > ? AND latest.n <= ? AND {where}"
    found: list[FoundFrame] = []
    while len(found) < most:
        ((bottom,),) = db.rows("SELECT MIN(n) FROM latest WHERE n > ?", (after_n,))
        if bottom is None:
            break
        after_n = bottom + _SLICE - 1
        slice_values = [bottom - 1, after_n, *values, most - len(found)]
        found += _found(db, f"{sql} ORDER BY latest.n LIMIT ?", slice_values)
    return found


def newest_verdict(db: SideReader, seq: int) -> FoundFrame | None:
    """A frame by its number; None where it has no verdict."""
    found = _found(db, f"{_FOUND} FROM latest {_JOINED} WHERE latest.seq = ?", [seq])
    return found[0] if found else None


def changed_frames(db: SideReader, after_n: int, most: int) -> list[FoundFrame]:
    """Frames with a verdict since, in the order of their newest verdicts."""
    sql = f"{_FOUND} FROM latest NOT INDEXED {_JOINED} WHERE latest.n > ? ORDER BY latest.n LIMIT ?"
    return _found(db, sql, [after_n, most])


def last_number(db: SideReader) -> int:
    """The ``n`` that was given last; 0 where there is none."""
    rows = db.rows("SELECT seq FROM sqlite_sequence WHERE name = 'latest'")
    return int(rows[0][0]) if rows else 0


def _meant(query: FrameQuery) -> tuple[str, list[Any]]:
    """The condition of a query in SQL, without its ``before``, and the values in it."""
    asked = msgspec.structs.asdict(query)
    asked["name"] = None if query.name is None else folded(query.name)
    chosen = [name for name in _CONDITIONS if asked[name] is not None]
    return " AND ".join(["TRUE", *(_CONDITIONS[name] for name in chosen)]), [asked[name] for name in chosen]


def _few_rows(db: SideReader, query: FrameQuery) -> str:
    """The rows among which a query looks where an index holds few for it; "" where it looks among all."""
    if query.part is not None:
        inner = "SELECT 1 FROM frames INDEXED BY frames_part WHERE part = ? AND part <> '' LIMIT ?"
        if _are_few(db, inner, [query.part], _FEW_OF_PART):
            return _OF_PART
    window = {"since": query.since, "until": query.until}
    chosen = {name: value for name, value in window.items() if value is not None}
    if not chosen:
        return ""
    where = " AND ".join(_CONDITIONS[name] for name in chosen)
    inner = f"SELECT 1 FROM latest INDEXED BY latest_time WHERE {where} LIMIT ?"
    return _OF_TIME if _are_few(db, inner, list(chosen.values()), _FEW) else ""


def _are_few(db: SideReader, inner: str, values: list[Any], few: int) -> bool:
    ((held,),) = db.rows(f"SELECT COUNT(*) FROM ({inner})", [*values, few + 1])
    return int(held) <= few


def _found(db: SideReader, sql: str, values: list[Any]) -> list[FoundFrame]:
    return [_frame(dict(zip(_COLUMNS, row, strict=True))) for row in db.rows(sql, values)]


def _frame(fields: dict[str, Any]) -> FoundFrame:
    return FoundFrame(
        id=frame_id(fields["line"], fields["seq"]),
        name=frame_name(fields["source"], fields.pop("key")),
        late=bool(fields.pop("late")),
        **fields,
    )
