"""One run under way: which golden part is judged next, and what was said of those before. No threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from saec.station.challenge.challenge_result import golden_outcome
from saec.station.challenge.golden_set import GoldenPart
from saec.station.challenge_records import ChallengeRecord, GoldenVerdict
from saec.station.storage.records import NewFrame, Receipt
from saec.station.storage.spool_reader import SpoolReader

_PATIENCE = 10.0
"""Seconds beyond the deadline after which a golden part counts as not judged."""


class ClaimedFrame:
    """A frame that is about to be accepted.

    Attributes:
        frame: what is accepted, marked where it shows a golden part.
        receipt: what its acceptance gave, once it is accepted for the first time; None until then.
    """

    def __init__(self, frame: NewFrame) -> None:
        self.frame = frame
        self.receipt: Receipt | None = None


class GoldenRun:
    """A run that has begun; safe to claim frames for from other threads.

    Args:
        record: the run, with its number.
        parts: the set as it was at the begin, in its order.
        deadline: seconds within which the line needs a verdict.
    """

    def __init__(self, record: ChallengeRecord, parts: Sequence[GoldenPart], deadline: float) -> None:
        self.record, self.parts, self._deadline = record, tuple(parts), deadline
        self._lock = threading.Lock()
        self._left = list(parts)
        self._open: dict[int, tuple[GoldenPart, float]] = {}  # by frame: the part, and until when it may take
        self._told: dict[str, GoldenVerdict] = {}
        self.frames: dict[str, int] = {}
        self.judged_by: set[tuple[str, int | None]] = set()

    @property
    def waiting(self) -> int:
        """Golden parts that are at the line and have no verdict yet."""
        with self._lock:
            return len(self._open)

    @property
    def next_part(self) -> GoldenPart | None:
        """The part whose picture is to be judged next; None after the last."""
        with self._lock:
            return self._left[0] if self._left else None

    @property
    def done(self) -> bool:
        """Whether every part was judged, or given up."""
        with self._lock:
            return not self._left and not self._open

    def mark(self, part: GoldenPart) -> str:
        """``NewFrame.challenge`` of a part's frame."""
        return f"{self.record.n} {part.name}"

    def sent(self, part: GoldenPart, seq: int, now: float) -> None:
        """A part's picture was accepted as a frame at ``now``, seconds of a clock that never goes back."""
        with self._lock:
            self._left.remove(part)
            self._open[seq] = part, now + self._deadline + _PATIENCE
            self.frames[part.name] = seq

    @contextmanager
    def claim(self, frame: NewFrame, clock: float) -> Iterator[ClaimedFrame]:
        """Take the line's next frame for a golden part: the one of its part id, else the next of the order.

        A frame with the id of no golden part that is missing still is a part like any other.
        """
        with self._lock:
            part = self._part_of(frame)
            if part is None:
                claimed = ClaimedFrame(frame)
                yield claimed
                return
            claimed = ClaimedFrame(msgspec.structs.replace(frame, challenge=self.mark(part)))
            yield claimed
            if claimed.receipt is not None:
                self._left.remove(part)
                self._open[claimed.receipt.seq] = part, clock + self._deadline + _PATIENCE
                self.frames[part.name] = claimed.receipt.seq

    def _part_of(self, frame: NewFrame) -> GoldenPart | None:
        if frame.part and any(one.part for one in self.parts):
            return next((one for one in self._left if one.part == frame.part), None)
        return self._left[0] if self._left else None

    def collect(self, reader: SpoolReader, now: float) -> None:
        """Look for verdicts of the parts that wait; one that took too long is given up."""
        with self._lock:
            open_now = dict(self._open)
        for seq, (part, until) in open_now.items():
            verdicts = reader.verdicts(seq)
            verdict = verdicts.get("provisional", verdicts.get("final"))
            if verdict is None and now < until:
                continue
            frame = reader.frame(seq)
            answer = 0.0 if verdict is None else verdict.ms.get("answer", 0.0)
            outcome = golden_outcome(part.label, verdict, in_time=answer <= self._deadline * 1e3)
            self._told[part.name] = GoldenVerdict(
                part=part.name,
                label=part.label,
                outcome=outcome,
                kind=part.kind,
                frame="" if frame is None else frame.id,
                said=None if verdict is None else verdict.label,
                score=None if verdict is None else verdict.score,
                by="" if verdict is None else verdict.decided_by,
                reason="" if verdict is None else verdict.reason,
            )
            if frame is not None and verdict is not None and verdict.label is not None:
                self.judged_by.add((frame.version, frame.recipe))
            with self._lock:
                del self._open[seq]

    def give_up(self) -> None:
        """What was not judged until now is absent."""
        with self._lock:
            self._left.clear()
            self._open.clear()

    def told(self) -> list[GoldenVerdict]:
        """What was said of each part, in the order of the set."""
        return [
            self._told.get(one.name)
            or GoldenVerdict(part=one.name, label=one.label, kind=one.kind, outcome="absent")
            for one in self.parts
        ]
