"""From opinions to verdicts: pure functions, the same live and in a replay of the log.

A verdict says what it took. Judging is work on the frame: reading, decoding, complexity, edge, its share of
the cloud's time on the batch that it was in, and words. Waiting is all else between the frame's arrival and
its verdict: for the edge, for the cloud's turn, for the rest of its batch. In a run over a folder frames wait
because there are many, not because judging is slow. So neither is told as the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from saec.data.items import stated_kind
from saec.errors import AnswerError, ConfigError
from saec.profile import Calibration, CloudTrust
from saec.schedule.calibration.trust import fused_decision
from saec.types import (
    DEFECT,
    GOOD,
    CloudRecord,
    CloudState,
    DecidedBy,
    EdgeRecord,
    ErrorRecord,
    Explanation,
    KindOpinion,
    Pending,
    Route,
    Source,
    VerdictRecord,
)

OVERDUE = "deadline"
"""Reason of a verdict that the edge gave because the cloud had not answered by the frame's deadline."""

ADVISORY = "advisory-cloud"
"""Reason of a provisional verdict on a frame whose cloud may change no label: the line need not wait."""

STAND_INS = frozenset({"cloud-down", "cloud-busy", "cloud-late"})
"""Reasons of routes to the edge that would have led to the cloud, had it been able to answer."""

Role = Literal["fused", "advisory", "alone"]

CLOUD_ERROR = "cloud-error"
"""Reason of a verdict that the edge gave because the cloud failed on this frame."""

DISAGREEMENT = "disagreement"
"""Reason of a verdict where the edge was sure of one label and the cloud of the other, whoever decided."""

CLOUD_SURE = 0.9
"""P(defect), or P(good), from which the cloud counts as sure."""

NO_CLOUD = "no-cloud"
"""Reason of a verdict that the edge gave because the run has no cloud to send the frame to."""


JUDGING = ("read", "decode", "code", "complexity", "edge", "cloud", "explain")
"""Stages that work on the frame."""

WAITING = ("wait", "queue", "batch")
"""What a frame waits for: the edge, the cloud's turn, the rest of its batch."""

SUMS = ("judging", "waiting")
"""The sums of both in ``VerdictRecord.ms``; a frame that waited for nothing has no ``waiting``."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What turns opinions into labels on one line.

    Attributes:
        line: name of the line.
        calibration: the line's calibration.
        role: "fused": edge and cloud decide together as ``trust`` says; "advisory": the cloud's
            opinion is shown and changes no label; "alone": the cloud decides by ``cloud_threshold``.
        trust: how far the cloud is trusted on this line; needed for "fused".
        cloud_threshold: P(defect) of the cloud at which it says defect, for "alone".
        frame: typical height and width of the frames that the line was fitted on, where it is known.
        blind: the line has no detector. No verdict holds an opinion of the edge, and where the cloud fails
            the frame has no label.
    """

    line: str
    calibration: Calibration
    role: Role = "advisory"
    trust: CloudTrust | None = None
    cloud_threshold: float = 0.5
    frame: tuple[int, int] | None = None
    blind: bool = False

    def __post_init__(self) -> None:
        if self.role == "fused" and (self.trust is None or self.trust.mode != "fused"):
            raise ConfigError(
                f"edge and cloud cannot be combined on the line {self.line}: it is not "
                "calibrated with this cloud",
                "run `saec calibrate LINE DATASET --cloud CLOUD` with this cloud first",
            )


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The label with its P(defect), who gave it, and the edge's kind where the label is DEFECT."""

    label: int
    p_defect: float | None
    by: DecidedBy
    kind: KindOpinion | None = None


def decide(edge: EdgeRecord, cloud: CloudRecord | None, rules: Rules) -> Decision:
    """The decision on one frame from what is logged of its opinions.

    The kind is the edge's, whoever decided; a frame that is judged good has none.
    """
    if cloud is None or cloud.role == "advisory":
        return Decision(edge.label, edge.p_defect, "edge", _kind(edge, edge.label))
    if cloud.role == "alone":
        label = DEFECT if cloud.p_defect >= rules.cloud_threshold else GOOD
        return Decision(label, cloud.p_defect, "cloud", _kind(edge, label))
    assert rules.trust is not None  # Rules sees to it
    label, p_defect = fused_decision(rules.calibration, rules.trust, edge.score, cloud.p_defect)
    return Decision(label, p_defect, "cloud", _kind(edge, label))


def _kind(edge: EdgeRecord, label: int) -> KindOpinion | None:
    return edge.kind if label == DEFECT else None


def stands_in(route: Route, state: CloudState | None) -> bool:
    """Whether a frame that the policy would ask about is answered by the edge to keep its deadline."""
    return route.reason in STAND_INS and state is not None and state.left is not None


def edge_verdict(pending: Pending, rules: Rules) -> VerdictRecord:
    """The verdict on a frame that the cloud is not asked about.

    Where a deadline kept the policy from asking, the edge merely stands in: the verdict is provisional.
    """
    if stands_in(pending.route, pending.state):
        return fallback_verdict(pending, rules, pending.route.reason)
    return _verdict(pending, decide(pending.edge, None, rules), rules, problem=_problem(pending))


def cloud_verdict(
    pending: Pending,
    cloud: CloudRecord,
    rules: Rules,
    *,
    explanation: Explanation | None = None,
    problem: ErrorRecord | None = None,
) -> VerdictRecord:
    """The verdict on a frame that the cloud has judged; ``problem`` is a failed explanation."""
    return _verdict(
        pending,
        decide(pending.edge, cloud, rules),
        rules,
        reason=DISAGREEMENT if disagree(pending.edge, cloud, rules) else "",
        cloud=cloud,
        explanation=explanation,
        problem=problem or _problem(pending),
    )


def disagree(edge: EdgeRecord, cloud: CloudRecord, rules: Rules) -> bool:
    """Whether edge and cloud are each sure, and of different labels.

    The edge is sure outside its gate, the cloud from a P(defect) of ``CLOUD_SURE`` for its label. Where
    the cloud decides alone the edge has no say, so there is nothing to disagree about.
    """
    if cloud.role == "alone":
        return False
    gate = rules.calibration.gate
    if edge.label == DEFECT:
        return edge.score > gate.high and 1.0 - cloud.p_defect >= CLOUD_SURE
    return edge.score < gate.low and cloud.p_defect >= CLOUD_SURE


def fallback_verdict(
    pending: Pending, rules: Rules, reason: str, error: Exception | None = None
) -> VerdictRecord:
    """The edge's answer where the cloud should have given one: provisional, never silent.

    Without an edge there is none: an error verdict.
    """
    if rules.blind:
        why = error or AnswerError(
            "the cloud gave no answer", "check the connection, and read the cloud's own log"
        )
        failed = error_verdict(
            pending.source,
            rules.line,
            why,
            sha256=pending.sha256,
            time=pending.time,
            seq=pending.seq,
            stage="cloud",
        )
        return msgspec.structs.replace(
            failed, reason=reason, route=pending.route, cloud_state=pending.state, ms=sum_times(pending.ms)
        )
    edge = pending.edge
    decision = Decision(edge.label, edge.p_defect, "edge-fallback", _kind(edge, edge.label))
    problem = error_record(error) if error else _problem(pending)
    return _verdict(pending, decision, rules, reason=reason, problem=problem)


def error_verdict(
    source: Source,
    line: str,
    error: Exception,
    *,
    sha256: str = "",
    time: float = 0.0,
    seq: int = 0,
    stage: str = "",
) -> VerdictRecord:
    """No label: the frame could not be judged, and the verdict says why."""
    return VerdictRecord(
        id=printable(source.id),
        path=printable(source.path),
        sha256=sha256,
        line=line,
        time=time,
        seq=seq,
        truth=source.truth,
        true_kind=true_kind(source),
        state="error",
        decided_by="none",
        reason=f"{stage}-error" if stage else "error",
        error=error_record(error),
        part=source.part,
    )


def true_kind(source: Source) -> str:
    """The kind of a defect as its data set names it; "" for a good, and where it is unknown."""
    return stated_kind(source.kind) if source.truth == DEFECT else ""


def sum_times(ms: Mapping[str, float]) -> dict[str, float]:
    """The milliseconds of the stages with their sums."""
    sums = {"judging": sum(ms.get(stage, 0.0) for stage in JUDGING)}
    waits = [ms[stage] for stage in WAITING if stage in ms]
    return {**ms, **sums, **({"waiting": sum(waits)} if waits else {})}


def answer_times(ms: Mapping[str, float], answer: float) -> dict[str, float]:
    """The times of a verdict that was given so many milliseconds after its frame arrived.

    All that was not judging was waiting.
    """
    return {**ms, "waiting": max(0.0, answer - ms.get("judging", 0.0)), "answer": answer}


def error_record(error: Exception) -> ErrorRecord:
    """An exception for the log: its class and its message, remedy included."""
    return ErrorRecord(kind=type(error).__name__, message=printable(str(error) or repr(error)))


def printable(text: str) -> str:
    """The text as valid UTF-8; bytes of a file name that are not stand as ``\\udcXX`` escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _problem(pending: Pending) -> ErrorRecord | None:
    return ErrorRecord(kind="PictureError", message=pending.problem) if pending.problem else None


def _verdict(
    pending: Pending,
    decision: Decision,
    rules: Rules,
    *,
    reason: str = "",
    cloud: CloudRecord | None = None,
    explanation: Explanation | None = None,
    problem: ErrorRecord | None = None,
) -> VerdictRecord:
    return VerdictRecord(
        id=pending.source.id,
        path=pending.source.path,
        sha256=pending.sha256,
        line=rules.line,
        time=pending.time,
        seq=pending.seq,
        truth=pending.source.truth,
        true_kind=true_kind(pending.source),
        label=decision.label,
        state="provisional" if decision.by == "edge-fallback" else "final",
        score=None if rules.blind else pending.edge.score,
        p_defect=decision.p_defect,
        kind=decision.kind.name if decision.kind else None,
        kind_confidence=decision.kind.confidence if decision.kind else None,
        decided_by=decision.by,
        reason=reason or pending.route.reason,
        route=pending.route,
        cloud_state=pending.state,
        complexity=pending.complexity,
        edge=None if rules.blind else pending.edge,
        cloud=cloud,
        explanation=explanation,
        map=pending.map,
        ms=sum_times(pending.ms),
        error=problem,
        note=pending.note,
        part=pending.source.part,
    )
