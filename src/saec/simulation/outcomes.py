"""What happens to simulated frames, judged by the rules of a live run: counts, and its log if asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from saec.errors import LinkError
from saec.evaluation.metrics import Confusion
from saec.frame.assessment import Assessment, pending_frame
from saec.frame.cloud_questions import cloud_record
from saec.frame.verdicts import (
    CLOUD_ERROR,
    OVERDUE,
    Rules,
    cloud_verdict,
    decide,
    edge_verdict,
    fallback_verdict,
    stands_in,
)
from saec.simulation.events import Passing
from saec.types import DEFECT, GOOD, CloudOpinion, CloudRecord, Pending, Source, VerdictRecord

MODEL = "simulated"
"""Name of the cloud in a simulated log."""

_LOST = LinkError("the simulated cloud did not answer")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation counted.

    Attributes:
        frames: frames that were taken; ``verdicts`` are those that have one.
        edge, cloud, fallback: who gave the first verdict on each frame.
        escalated: frames sent to the cloud; ``finalised`` those that it answered after the deadline.
        provisional: frames that have no final verdict at the end.
        fallbacks: first verdicts of the edge in place of the cloud, by reason.
        links: frames by the state of the link when they were routed.
        acted, standing: the counts of first verdicts, which the line acted on, and of last ones.
        in_time: first verdicts that were there by the deadline, None without one.
        slowest: seconds to the slowest first verdict.
        peak: the most frames that waited for the cloud at once.
        requests, lost: the requests to the cloud, and those of them that were not answered.
        seconds: the time from the first frame to the last event.
    """

    frames: int
    verdicts: int
    edge: int
    cloud: int
    fallback: int
    escalated: int
    finalised: int
    provisional: int
    fallbacks: dict[str, int]
    links: dict[str, int]
    acted: Confusion
    standing: Confusion
    in_time: int | None
    slowest: float
    peak: int
    requests: int
    lost: int
    seconds: float


class Referee:
    """Judges simulated frames and counts; a ``saec.simulation.events.Judge``.

    Args:
        rules: turn opinions into labels.
        deadline: seconds from taking a frame to its verdict, or None.
        write: takes each verdict as a live run would write it; None makes none.

    Attributes:
        frames: verdicts on distinct frames so far.
    """

    def __init__(
        self, rules: Rules, deadline: float | None, write: Callable[[VerdictRecord], None] | None = None
    ) -> None:
        self.frames = 0
        self._rules = rules
        self._deadline = deadline
        self._write = write
        # Who gave it, the link, the decision, and the truth with the label: one count for each first verdict.
        self._firsts: Counter[tuple[str, str, str, int | None, int]] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._moved: Counter[tuple[int | None, int]] = Counter()
        self._finalised = self._provisional = self._in_time = 0
        self._slowest = 0.0

    def by_edge(self, frame: Passing, now: float) -> None:
        if stands_in(frame.route, frame.state):
            self._fall_back(frame, now, frame.route.reason)
        else:
            decision = decide(frame.sample.record, None, self._rules)
            self._first(frame, now, decision.label, "edge")
        if self._write is not None:
            self._write(self._timed(edge_verdict(_pending(frame), self._rules), frame, now))

    def stand_in(self, frame: Passing, now: float) -> None:
        self._fall_back(frame, now, OVERDUE)
        if self._write is not None:
            verdict = fallback_verdict(_pending(frame), self._rules, OVERDUE)
            self._write(self._timed(verdict, frame, now))

    def by_cloud(self, frame: Passing, now: float, *, answered: bool, late: bool) -> None:
        record = self._record(frame) if answered else None
        if record is None:
            if not late:
                self._fall_back(frame, now, CLOUD_ERROR)
        else:
            decision = decide(frame.sample.record, record, self._rules)
            if late:
                self._finalise(frame, decision.label)
            else:
                self._first(frame, now, decision.label, decision.by)
        if self._write is not None:
            pending = _pending(frame)
            verdict = (
                fallback_verdict(pending, self._rules, CLOUD_ERROR, _LOST)
                if record is None
                else cloud_verdict(pending, record, self._rules)
            )
            self._write(self._timed(verdict, frame, now, late=late))

    def figures(self, frames: int, *, peak: int, requests: int, lost: int, seconds: float) -> Figures:
        """The counts; what only the simulation knows is given."""
        by, links, decisions = Counter[str](), Counter[str](), Counter[str]()
        acted: Counter[tuple[int | None, int]] = Counter()
        for (who, link, decision, truth, label), count in self._firsts.items():
            by[who] += count
            links[link] += count
            decisions[decision] += count
            acted[truth, label] += count
        standing = acted.copy()
        standing.update(self._moved)
        return Figures(
            frames=frames,
            verdicts=self.frames,
            edge=by["edge"],
            cloud=by["cloud"],
            fallback=by["edge-fallback"],
            escalated=decisions["cloud"],
            finalised=self._finalised,
            provisional=self._provisional,
            fallbacks=dict(sorted(self._fallbacks.items())),
            links=dict(sorted(links.items())),
            acted=_confusion(acted),
            standing=_confusion(standing),
            in_time=None if self._deadline is None else self._in_time,
            slowest=self._slowest,
            peak=peak,
            requests=requests,
            lost=lost,
            seconds=seconds,
        )

    def _first(self, frame: Passing, now: float, label: int, by: str) -> None:
        self.frames += 1
        self._firsts[by, frame.state.link, frame.route.decision, frame.sample.truth, label] += 1
        took = now - frame.taken
        if took > self._slowest:
            self._slowest = took
        # to the nanosecond: times are sums of floats
        if self._deadline is not None and took <= self._deadline + 1e-9:
            self._in_time += 1

    def _fall_back(self, frame: Passing, now: float, reason: str) -> None:
        self._first(frame, now, frame.sample.record.label, "edge-fallback")
        self._fallbacks[reason] += 1
        self._provisional += 1

    def _finalise(self, frame: Passing, label: int) -> None:
        truth = frame.sample.truth
        self._moved[truth, frame.sample.record.label] -= 1
        self._moved[truth, label] += 1
        self._provisional -= 1
        self._finalised += 1

    def _record(self, frame: Passing) -> CloudRecord:
        return cloud_record(CloudOpinion(frame.sample.cloud, MODEL, ""), self._rules.role)

    def _timed(
        self, verdict: VerdictRecord, frame: Passing, now: float, *, late: bool = False
    ) -> VerdictRecord:
        took = 1e3 * (now - frame.taken)
        return msgspec.structs.replace(verdict, ms={"answer": took}, replaces=late)


def _pending(frame: Passing) -> Pending:
    name = f"{frame.seq:09}"
    sample = frame.sample
    source = Source(id=name, path=name, truth=sample.truth)
    seen = Assessment(sample.edge, sample.complexity)
    return pending_frame(source, seen, frame.route, frame.state, taken=frame.taken, seq=frame.seq)


def _confusion(counts: Counter[tuple[int | None, int]]) -> Confusion:
    return Confusion(
        tp=counts[DEFECT, DEFECT], fp=counts[GOOD, DEFECT], tn=counts[GOOD, GOOD], fn=counts[DEFECT, GOOD]
    )
