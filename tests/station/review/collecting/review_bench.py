"""A spool with verdicts, and a collector beside it that can be killed and begun again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec

from saec.profile import Calibration
from saec.station.review.collecting.review_collector import ReviewCollector
from saec.station.review.review_records import ReviewFrame
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore
from saec.station.storage.records import NewFrame, SpoolLimits, VerdictState
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.run_fakes import CALIBRATION
from tests.station.station_fakes import png

HOUR = 3600.0
START = 1_000_000 * HOUR


@dataclasses.dataclass
class Alarms:
    told: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def __call__(self, kind: str, text: str, about: str) -> None:
        self.told.append((kind, text, about))


class ReviewBench:
    """A spool, a clock, and a collector."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ("cell",), **settings: float) -> None:
        self.folder, self.lines, self.now, self.n = folder, lines, START, 0
        self.settings = msgspec.convert({"ordered": 0, **settings}, ReviewSettings)
        self.alarms = Alarms()
        self.spool = self.open_spool()
        self.collector = self.make()

    def open_spool(self) -> Spool:
        return Spool(self.folder, limits=SpoolLimits(free_gb=0), clock=lambda: self.now)

    def make(self) -> ReviewCollector:
        return ReviewCollector(
            self.spool,
            self.folder,
            self.settings,
            self.lines,
            calibration=lambda line, version: self.calibration(),
            drifts=lambda line: False,
            alarm=self.alarms,
            clock=lambda: self.now,
        )

    def calibration(self) -> Calibration:
        return CALIBRATION

    def restart(self) -> None:
        """As another process goes on after the first has died."""
        self.collector.close()
        self.collector = self.make()

    def close(self) -> None:
        self.collector.close()
        self.spool.close()

    @property
    def store(self) -> ReviewStore:
        return self.collector.store

    def accept(self, *, line: str = "cell", part: str = "", data: bytes = b"") -> int:
        self.n += 1
        frame = NewFrame(line=line, source="s", key=str(self.n), suffix=".png", captured=self.now, part=part)
        return self.spool.accept(frame, data or png(self.n % 256, self.n // 256 % 256)).seq

    def decide(
        self, seq: int, label: int | None = 0, state: VerdictState = "final", score: float = 0.4
    ) -> None:
        frame = self.spool.frame(seq)
        assert frame is not None
        verdict = VerdictRecord(
            id=frame.id,
            path=frame.image,
            sha256=frame.sha256,
            line=frame.line,
            time=self.now,
            label=label,
            score=score,
            state="error" if label is None else state,
        )
        self.spool.decide(seq, state, verdict, version="1")

    def judged(self, label: int | None = 0, **given: str) -> int:
        seq = self.accept(line=given.get("line", "cell"), part=given.get("part", ""))
        self.decide(seq, label)
        return seq

    def collect(self) -> None:
        while self.collector.turn():
            pass

    def rows(self) -> dict[int, ReviewFrame]:
        """All frames of the review by number."""
        with self.store.transaction() as db:
            seqs = [seq for (seq,) in db.execute("SELECT seq FROM frames ORDER BY seq").fetchall()]
        return {seq: frame for seq in seqs if (frame := self.store.frame(seq)) is not None}

    def sums(self) -> dict[str, tuple[int, int, int]]:
        """Frames, drawn and lost, by stratum."""
        found: dict[str, tuple[int, int, int]] = {}
        for one in self.store.offered():
            frames, drawn, lost = found.get(one.stratum, (0, 0, 0))
            found[one.stratum] = (frames + one.frames, drawn + one.drawn, lost + one.lost)
        return found
