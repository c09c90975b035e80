"""A spool whose parts get verdicts, with clocks that a test moves."""

from __future__ import annotations

from pathlib import Path

from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, PartVerdict, SpoolLimits, VerdictState
from saec.station.storage.spool import Spool
from saec.types import Capture, ErrorRecord, VerdictRecord

BEGIN = 1_700_000_000.0
LINE = "cell"


class Clocks:
    """Two clocks that go alike: that of the day, and one that is never set and begins with each process."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.born = BEGIN

    def day(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now - self.born


def open_parts(folder: Path, rules: PartRules, clocks: Clocks) -> Spool:
    """The spool as a process finds it; its steady clock begins anew."""
    clocks.born = clocks.now - 77.0
    spool = Spool(folder, ("sink",), SpoolLimits(free_gb=0), clocks.day, {LINE: rules})
    spool.parts._steady = clocks.steady
    spool.parts.load(spool._db)  # anew, by this clock
    return spool


def take(spool: Spool, source: str, part: str = "A1", key: str = "", line: str = LINE) -> int:
    """Accept a frame of a part; its number."""
    name = key or f"{source}-{part}-{spool._clock()}"
    frame = NewFrame(line=line, source=source, key=name, suffix=".png", captured=1.0, part=part)
    return spool.accept(frame, name.encode()).seq


def told(
    label: int | None = 0, *, p: float = 0.5, kind: str | None = None, part: str = "", state: str = "final"
) -> VerdictRecord:
    return VerdictRecord(
        id="x",
        path="",
        sha256="",
        line=LINE,
        time=1.0,
        label=label,
        score=p,
        p_defect=p,
        kind=kind,
        state="error" if label is None else "provisional" if state == "provisional" else "final",
        decided_by="none" if label is None else "edge",
        error=ErrorRecord("ImageError", "unreadable") if label is None else None,
        part=part,
        capture=Capture(plc="press"),
    )


def decide(
    spool: Spool, seq: int, label: int | None = 0, state: VerdictState = "final", p: float = 0.5
) -> None:
    assert spool.decide(seq, state, told(label, p=p, state=state), edge=b"{}", version="1")


def verdicts(spool: Spool, part: str = "A1") -> list[PartVerdict]:
    """The verdicts on a part, the oldest visit first; those that wait are left out."""
    return [one.verdict for one in reversed(spool.part_visits(part)) if one.verdict is not None]
