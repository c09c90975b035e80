"""Spans to a collector: OpenTelemetry's SDK, and OTLP over HTTP (protobuf).

Spans wait in a bounded queue and leave in batches from a thread of the SDK. Where the collector is away or
slow they are dropped: nothing that judges ever waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import requests
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from saec.extensions import VERSION
from saec.tracing.trace_ids import is_sampled, span_in, trace_in
from saec.tracing.tracers import Attributes, CarriedSpan, Kind, TraceSpan, inside_span

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_ANSWER_S = 5
"""Seconds that a collector has to take one batch."""

_FAREWELL_S = 5
"""Seconds in which the last spans must have left when a program ends."""

_AGAIN_S = 60.0
"""Seconds after which the same warning is handed on again."""


class _FrameIds(RandomIdGenerator):
    """Random ids, or those that this thread has asked for."""

    def __init__(self) -> None:
        self._asked = threading.local()

    @contextlib.contextmanager
    def asked(self, trace: str, span: str) -> Iterator[None]:
        """The next root span of this thread has these ids."""
        self._asked.ids = (int(trace, 16), int(span, 16))
        try:
            yield
        finally:
            self._asked.ids = None

    def generate_trace_id(self) -> int:
        ids = self._asked.__dict__.get("ids")
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = self._asked.__dict__.get("ids")
        return ids[1] if ids else super().generate_span_id()


class _OpenSpan:
    """A span of the SDK."""

    def __init__(self, span: otel.Span) -> None:
        self._span, context = span, span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)
        if "error.type" in attributes:
            _mark_failed(self._span, str(attributes["error.type"]))


class OtlpTracer:
    """A ``saec.tracing.tracers.Tracer`` that sends what it takes.

    Args:
        provider: OpenTelemetry's, with this tracer's ids.
        ids: the ids of its spans.
        share: the share of traces that is kept, by their ids, as OpenTelemetry's TraceIdRatioBased does it.
    """

    on = True

    def __init__(self, provider: TracerProvider, ids: _FrameIds, share: float) -> None:
        self._ids = ids
        self._spans = provider.get_tracer("saec", VERSION)
        self._bound = round(share * 2**64)

    def keeps(self, trace: str) -> bool:
        return int(trace[16:], 16) < self._bound

    @contextlib.contextmanager
    def span(
        self, name: str, parent: str = "", *, kind: Kind, attributes: Attributes | None = None
    ) -> Iterator[TraceSpan]:
        begun = self._begin(name, parent, kind, attributes)
        if begun is None:
            with inside_span(CarriedSpan(parent)) as carried:
                yield carried
            return
        try:
            with inside_span(_OpenSpan(begun)) as span:
                yield span
        except BaseException as e:
            _mark_failed(begun, type(e).__name__)
            raise
        finally:
            begun.end()

    def record(
        self, name: str, parent: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        if not parent or not is_sampled(parent):
            return
        shift = time.time_ns() - time.perf_counter_ns()
        span = self._spans.start_span(
            name, _below(parent), attributes=attributes, start_time=shift + round(begin * 1e9)
        )
        self._end(span, shift + round(end * 1e9), attributes)

    def record_root(
        self, name: str, trace: str, begin: float, end: float, attributes: Attributes | None = None
    ) -> None:
        shift = time.time_ns() - time.perf_counter_ns()
        with self._ids.asked(trace, trace[:16]):
            span = self._spans.start_span(
                name, Context(), attributes=attributes, start_time=shift + round(begin * 1e9)
            )
        self._end(span, shift + round(end * 1e9), attributes)

    def _begin(self, name: str, parent: str, kind: Kind, attributes: Attributes | None) -> otel.Span | None:
        """A span that has begun; None where its trace is not kept."""
        if parent:
            if not is_sampled(parent):
                return None
            return self._spans.start_span(name, _below(parent), _KINDS[kind], attributes)
        trace = secrets.token_hex(16)
        if not self.keeps(trace):
            return None
        with self._ids.asked(trace, trace[:16]):
            return self._spans.start_span(name, Context(), _KINDS[kind], attributes)

    @staticmethod
    def _end(span: otel.Span, at: int, attributes: Attributes | None) -> None:
        if attributes and "error.type" in attributes:
            _mark_failed(span, str(attributes["error.type"]))
        span.end(at)


@contextlib.contextmanager
def otlp_tracer(
    url: str,
    *,
    share: float,
    about: Attributes,
    token: str | None = None,
    ca_file: str | None = None,
    tell: Callable[[str], None],
) -> Iterator[OtlpTracer]:
    """A tracer that sends to a collector; at the end what waits is sent.

    Args:
        url: the collector's whole address, such as http://127.0.0.1:4318/v1/traces.
        share: the share of traces that is kept, 0 to 1.
        about: what is said of this program, "service.name" among it.
        token: sent as a bearer token.
        ca_file: certificates to trust (PEM), instead of those of the package certifi.
        tell: called with what the exporter warns of; by any thread.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy and no password file of the environment
    if ca_file is not None:
        session.verify = ca_file
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    exporter = OTLPSpanExporter(url, ca_file, headers=headers, timeout=_ANSWER_S, session=session)
    ids = _FrameIds()
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=Resource(dict(about)), shutdown_on_exit=False, id_generator=ids
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    farewell = threading.Thread(target=provider.shutdown, name="saec-traces-end", daemon=True)
    try:
        with _warnings(tell):
            try:
                yield OtlpTracer(provider, ids, share)
            finally:
                farewell.start()  # sends what waits
                farewell.join(_FAREWELL_S)
    finally:
        if farewell.is_alive():  # the collector is away or slow: it is given up
            exporter.shutdown()  # type: ignore[no-untyped-call]


class _Told(logging.Handler):
    """Hands the SDK's warnings on, each seldom: one comes with every span that finds the queue full."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell, self._told = tell, dict[str, float]()

    def emit(self, record: logging.LogRecord) -> None:
        now, kind = time.monotonic(), str(record.msg)
        if now - self._told.get(kind, -_AGAIN_S) >= _AGAIN_S:
            self._told[kind] = now
            self._tell(record.getMessage())


@contextlib.contextmanager
def _warnings(tell: Callable[[str], None]) -> Iterator[None]:
    """What the SDK warns of goes to the program's own log, and never past it to standard error."""
    logger, told = logging.getLogger("opentelemetry"), _Told(tell)
    logger.propagate = False
    logger.addHandler(told)
    try:
        yield
    finally:
        logger.addHandler(logging.NullHandler())
        logger.removeHandler(told)


def _below(parent: str) -> Context:
    """The context of what belongs to a span of another program or thread."""
    context = SpanContext(
        int(trace_in(parent), 16), int(span_in(parent), 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    return otel.set_span_in_context(NonRecordingSpan(context), Context())


def _mark_failed(span: otel.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))
