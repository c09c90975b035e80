"""What a simulated PLC has seen of a station: answers, actuations, and what must never be."""

from __future__ import annotations

from collections import Counter

import msgspec

from saec.station.plc.signals import FaultCode

_NOTES = 100


class PlcTally(msgspec.Struct, kw_only=True):
    """Counts of one run.

    Attributes:
        triggers: that the PLC has set.
        results: triggers that were answered by a result.
        faults: triggers that were answered by a fault, by its code.
        abandoned: triggers that the PLC gave up by its own restart.
        unanswered: triggers that it gave up because no answer came.
        mistakes: what the PLC did wrong on purpose, by name.
        refusals: faults without a trigger of its own, as the answer to a second edge.
        actuations: movements of the reject gate, each by another sequence number.
        double_actuations: those of a part for which the gate had moved before.
        half_parts: results for half a part id that the PLC had told, and left standing until the answer. The
            part that the result says tells the PLC so, and it moves no gate.
        wrong_parts: results that say another part than the one before the camera.
        unasked: results while no trigger waited for one.
        repeats: answers that came again under a number that had been answered.
        notes: a sentence about each of what must never be, the first hundred.
        times: seconds from Trigger to the answer, of each answered trigger.
    """

    triggers: int = 0
    results: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    abandoned: int = 0
    unanswered: int = 0
    mistakes: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: int = 0
    actuations: int = 0
    double_actuations: int = 0
    half_parts: int = 0
    wrong_parts: int = 0
    unasked: int = 0
    repeats: int = 0
    notes: list[str] = msgspec.field(default_factory=list)
    times: list[float] = msgspec.field(default_factory=list)

    @property
    def open(self) -> int:
        """Triggers that have come to no end: one while it is under way, else none."""
        ended = self.results + self.faults.total() + self.abandoned + self.unanswered
        return self.triggers - ended

    def violations(self) -> dict[str, int]:
        """What must never be, with its count where it was."""
        found = {
            "double actuations": self.double_actuations,
            "wrong parts": self.wrong_parts,
            "results that nobody asked for": self.unasked,
            "triggers without an answer": self.unanswered,
        }
        return {what: count for what, count in found.items() if count}

    def note(self, text: str) -> None:
        if len(self.notes) < _NOTES:
            self.notes.append(text)

    def count_fault(self, code: FaultCode) -> None:
        self.faults[code.name] += 1

    def quantile(self, share: float) -> float:
        """The time from Trigger to the answer that this share of the answers kept, in seconds; 0 of none."""
        ordered = sorted(self.times)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
