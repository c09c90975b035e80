"""A frame's spans, made of the times that are measured anyway; nothing happens where it is not traced.

The frame's own span goes from its arrival to its first verdict. Below it stand its stages, the questions to
the cloud, later verdicts and the sinks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from saec.tracing.trace_ids import frame_parent
from saec.tracing.tracers import Attributes, trace_of, tracer
from saec.types import Pending, VerdictRecord

_BEFORE_EDGE = ("wait", "read", "decode", "complexity")
_SHOWN_REASON = 200


def record_edge(pending: Pending, end: float) -> None:
    """The stages up to the route.

    Args:
        pending: the frame, routed just now; up to the edge its stages followed each other from ``begun`` on.
        end: when the edge had its opinion, seconds of ``time.perf_counter``.
    """
    parent = _parent(pending)
    if not parent:
        return
    spans, at = tracer(), pending.begun
    for stage in _BEFORE_EDGE:
        if stage in pending.ms:
            seconds = pending.ms[stage] / 1e3
            spans.record(stage, parent, at, at + seconds)
            at += seconds
    facts = {"saec.score": pending.edge.score, "saec.label": pending.edge.label}
    spans.record("edge", parent, end - pending.ms.get("edge", 0.0) / 1e3, end, facts)
    route = {"saec.decision": pending.route.decision, "saec.reason": pending.route.reason}
    if pending.state is not None:
        route["saec.link"] = pending.state.link
    spans.record("route", parent, end, time.perf_counter(), route)


def record_question(batch: Sequence[Pending], begin: float, failures: Sequence[str]) -> None:
    """The wait of each frame for the cloud's turn, and the question about the batch that it was in.

    Args:
        batch: the frames, asked about together.
        begin: when that was, seconds of ``time.perf_counter``; it has just ended.
        failures: what kind of error each frame got for an answer, or "".
    """
    spans, end = tracer(), time.perf_counter()
    if not spans.on:
        return
    for pending, failure in zip(batch, failures, strict=True):
        parent = _parent(pending)
        if pending.since:
            spans.record("queue", parent, pending.since, begin)
        facts: Attributes = {"saec.batch": len(batch), **({"error.type": failure} if failure else {})}
        spans.record("cloud question", parent, begin, end, facts)


def traced_verdict(verdict: VerdictRecord) -> VerdictRecord:
    """The verdict with its frame's trace id; as it is where the frame is not traced."""
    trace = trace_of(verdict.id, verdict.sha256, verdict.time)
    return msgspec.structs.replace(verdict, trace=trace) if trace else verdict


def record_verdict(verdict: VerdictRecord, seconds: float, *, first: bool) -> None:
    """A verdict was given, so many seconds after its frame arrived.

    Args:
        verdict: what ``traced_verdict`` gave.
        seconds: since the arrival.
        first: it is what the line acts on, and ends the frame's own span; a later one has a span of its own.
    """
    if not verdict.trace:
        return
    now = time.perf_counter()
    facts: dict[str, str | int | float | bool] = {
        "saec.frame": verdict.id,
        "saec.line": verdict.line,
        "saec.state": verdict.state,
        "saec.decided_by": verdict.decided_by,
        "saec.reason": verdict.reason[:_SHOWN_REASON],
    }
    if verdict.label is not None:
        facts["saec.label"] = verdict.label
    if verdict.label is None and verdict.error is not None:
        facts["error.type"] = verdict.error.kind
    if first:
        tracer().record_root("frame", verdict.trace, now - max(0.0, seconds), now, facts)
    else:
        tracer().record("verdict", frame_parent(verdict.trace), now, now, facts)


def record_delivery(sink: str, verdicts: Sequence[VerdictRecord], begin: float, failure: str = "") -> None:
    """A sink was brought verdicts, all at once.

    Args:
        sink: its name.
        verdicts: what it was brought.
        begin: when that began, seconds of ``time.perf_counter``; it has just ended.
        failure: what kind of error it gave, or "".
    """
    spans, end = tracer(), time.perf_counter()
    if not spans.on:
        return
    facts: Attributes = {"saec.sink": sink, **({"error.type": failure} if failure else {})}
    for verdict in verdicts:
        spans.record("deliver", frame_parent(verdict.trace), begin, end, facts)


def _parent(pending: Pending) -> str:
    return frame_parent(trace_of(pending.source.id, pending.sha256, pending.time))
