"""Frames with verdicts of all sorts, and what is found among them by looking at each record."""

from __future__ import annotations

import random
from pathlib import Path

from saec.station.storage.database.latest_verdicts import folded
from saec.station.storage.frame_search import FoundFrame, FrameQuery
from saec.station.storage.records import NewFrame, SpoolLimits, frame_name
from saec.station.storage.spool import Spool
from saec.types import ErrorRecord, VerdictRecord

BEGIN = 1_700_000_000.0
LINES = ("cell", "bottle", "Ünit")
NAMES = ("a_1%.png", "A1.PNG", "Straße.jpg", "STRASSE 2", "e\u0301tape", "étape", "x/y_z", "\\d'\"", "日本")


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float = BEGIN) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def open_spool(folder: Path, clock: Clock) -> Spool:
    return Spool(folder, (), SpoolLimits(free_gb=0), clock)


def accept(spool: Spool, key: str, line: str = "cell", source: str = "in", part: str = "") -> int:
    frame = NewFrame(line=line, source=source, key=f"{source}/{key}", suffix=".png", captured=1.0, part=part)
    return spool.accept(frame, key.encode()).seq


def some_verdict(draw: random.Random, *, provisional: bool = False) -> VerdictRecord:
    """A verdict of any sort; "provisional" is its state where it is asked for and it is no error."""
    label = draw.choice((0, 0, 1, None))
    return VerdictRecord(
        id="",
        path="",
        sha256="",
        line="",
        time=draw.uniform(0, 2e9),
        label=label,
        state="error" if label is None else "provisional" if provisional else "final",
        score=draw.choice((None, 0.25, 0.5, draw.random())),
        p_defect=draw.choice((None, draw.random())),
        kind=draw.choice((None, "dent", "Kratzer")) if label else None,
        decided_by="none" if label is None else draw.choice(("edge", "cloud", "edge-fallback")),
        energy_j=draw.choice((None, 0.5, 2.25, float("nan"), float("inf"), -1.0)),
        ms=draw.choice(({}, {"answer": 125.0}, {"answer": 3500.0})),
        error=ErrorRecord(kind="DecodeError", message="no") if label is None else None,
    )


def all_found(spool: Spool) -> list[FoundFrame]:
    """What the records say of each frame with a verdict, by its number from the newest."""
    numbers = {
        seq: (n, version)
        for n, seq, version in spool._db.execute(
            "SELECT latest.n, seq, frames.version FROM latest JOIN frames USING (seq)"
        )
    }
    acted = {seq for (seq,) in spool._db.execute("SELECT seq FROM verdicts WHERE act")}
    found = []
    for (seq,) in spool._db.execute("SELECT DISTINCT seq FROM verdicts").fetchall():
        frame, told = spool.frame(seq), spool.verdicts(seq)
        assert frame is not None
        verdict = told.get("final") or told["provisional"]
        joules = verdict.energy_j
        found.append(
            FoundFrame(
                n=numbers[seq][0],
                seq=seq,
                id=frame.id,
                time=frame.accepted,
                line=frame.line,
                source=frame.source,
                name=frame_name(frame.source, frame.key),
                label=verdict.label,
                decided_by=verdict.decided_by,
                state=verdict.state,
                score=verdict.score,
                p_defect=verdict.p_defect,
                version=numbers[seq][1],
                kind=verdict.kind,
                late=seq not in acted,
                joules=joules if joules is not None and 0 <= joules < 1e9 else None,
                part=frame.part,
            )
        )
    return sorted(found, key=lambda frame: -frame.n)


def first_answers(spool: Spool) -> dict[int, float]:
    """Seconds from arrival to the first verdict of each frame, where they are known."""
    answers = {}
    for (seq,) in spool._db.execute("SELECT DISTINCT seq FROM verdicts").fetchall():
        told = spool.verdicts(seq)
        first = told.get("provisional") or told["final"]
        if "answer" in first.ms:
            answers[seq] = first.ms["answer"] / 1e3
    return answers


def is_meant(query: FrameQuery, frame: FoundFrame) -> bool:
    """Whether a query means a frame, condition by condition."""
    return (
        query.line in (None, frame.line)
        and query.label in (None, frame.label)
        and query.decided_by in (None, frame.decided_by)
        and query.state in (None, frame.state)
        and query.version in (None, frame.version)
        and query.kind in (None, frame.kind)
        and query.part in (None, frame.part or None)
        and (query.since is None or frame.time >= query.since)
        and (query.until is None or frame.time < query.until)
        and (query.score_from is None or (frame.score is not None and frame.score >= query.score_from))
        and (query.score_to is None or (frame.score is not None and frame.score <= query.score_to))
        and (query.name is None or folded(query.name) in folded(frame.name))
        and (query.before is None or frame.n < query.before)
    )
