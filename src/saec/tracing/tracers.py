"""What all rooms see of tracing: the tracer of this process, which does nothing unless one was started."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Literal, Protocol

from saec.tracing.trace_ids import frame_parent, frame_trace

Kind = Literal["server", "client"]

Attributes = Mapping[str, str | int | float | bool]
"""Facts of a span, by OpenTelemetry's names where it has one, else beginning with "saec."."""

_inside: ContextVar[str] = ContextVar("saec_traceparent", default="")


class TraceSpan(Protocol):
    """A span that is open.

    Attributes:
        traceparent: the header for what is begun within it; "" where there is no trace.
    """

    traceparent: str

    def note(self, attributes: Attributes) -> None:
        """Facts that are known only now."""
        ...


class Tracer(Protocol):
    """Takes spans.

    Attributes:
        on: whether it does anything with them.
    """

    on: bool

    def keeps(self, trace: str) -> bool:
        """Whether the spans of this trace are kept; the same in all programs with the same share."""
        ...

    def span(
        self, name: str, parent: str = "", *, kind: Kind, attributes: Attributes | None = None
    ) -> AbstractContextManager[TraceSpan]:
        """A span around a block; what the block raises makes it an error.

        Args:
            name: what is done.
            parent: the traceparent of what it belongs to; "" begins a trace.
            kind: "server" answers a request, "client" sends one.
            attributes: what is known of it before.
        """
        ...

    def record(
        self, name: str, parent: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        """A span that is over.

        Args:
            name: what was done.
            parent: the traceparent of what it belongs to; "" records nothing.
            begin, end: seconds of ``time.perf_counter``.
            attributes: what is known of it.
        """
        ...

    def record_root(
        self, name: str, trace: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        """The span at the top of a frame's trace, under the id that ``frame_parent`` names."""
        ...


class CarriedSpan:
    """No span of ours: what was begun elsewhere is carried on."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def note(self, attributes: Attributes) -> None:
        """Nobody asks."""


class NoTracer:
    """Takes no spans, and carries on what came from elsewhere."""

    on = False

    def keeps(self, trace: str) -> bool:
        return False

    def span(
        self, name: str, parent: str = "", *, kind: Kind, attributes: Attributes | None = None
    ) -> AbstractContextManager[TraceSpan]:
        return inside_span(CarriedSpan(parent)) if parent else _NOTHING

    def record(
        self, name: str, parent: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        pass

    def record_root(
        self, name: str, trace: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        pass


_NOTHING: AbstractContextManager[TraceSpan] = contextlib.nullcontext(CarriedSpan(""))
_NONE = NoTracer()
_tracer: Tracer = _NONE


def tracer() -> Tracer:
    """The tracer of this process."""
    return _tracer


@contextlib.contextmanager
def installed(tracer: Tracer) -> Iterator[None]:
    """Make a tracer that of this process for a while."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before


@contextlib.contextmanager
def inside_span(span: TraceSpan) -> Iterator[TraceSpan]:
    """What this thread or task does meanwhile belongs to a span."""
    token = _inside.set(span.traceparent)
    try:
        yield span
    finally:
        _inside.reset(token)


def traceparent() -> str:
    """The traceparent of what this thread or task does now; "" where that is not traced."""
    return _inside.get()


def trace_of(frame: str, sha256: str, taken: float) -> str:
    """The trace id of a frame, ``frame_trace``; "" where the frame is not traced."""
    now = _tracer
    if not now.on:
        return ""
    trace = frame_trace(frame, sha256, taken)
    return trace if now.keeps(trace) else ""


def frame_span(
    name: str, frame: str, sha256: str, taken: float, *, kind: Kind
) -> AbstractContextManager[TraceSpan]:
    """A span around a block that works on one frame, whose trace it belongs to; nothing where it has none."""
    parent = frame_parent(trace_of(frame, sha256, taken))
    return _tracer.span(name, parent, kind=kind) if parent else _NOTHING


class Stages:
    """Stages that follow each other, below what this thread or task does when they begin."""

    def __init__(self) -> None:
        self._parent, self._at = traceparent(), time.perf_counter()

    def end(self, name: str) -> None:
        """A stage is over, and the next one begins."""
        begin, self._at = self._at, time.perf_counter()
        _tracer.record(name, self._parent, begin, self._at)

    def end_batch(self, waited: float, computed: float, size: int) -> None:
        """The last two are over: the wait for a batch and its computing, in seconds, the second just now."""
        end = time.perf_counter()
        begin = end - computed
        _tracer.record("wait", self._parent, begin - waited, begin)
        _tracer.record("model", self._parent, begin, end, {"saec.batch": size})
