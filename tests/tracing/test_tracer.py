"""Spans on their way to a collector, and how little happens without one."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saec.errors import ConfigError
from saec.settings.trace_settings import TraceConfig
from saec.tracing.trace_ids import frame_parent, frame_trace
from saec.tracing.tracers import NoTracer, Stages, frame_span, trace_of, traceparent, tracer
from saec.web.program.trace_export import exported_traces
from tests.tracing.otlp_receiver import collecting

FRAME = ("a.png", "ab" * 32, 12.5)
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def unheard(text: str) -> None:
    raise AssertionError(text)


def test_without_an_endpoint_nothing_is_traced_or_loaded() -> None:
    code = (
        "import sys\n"
        "from saec.settings.trace_settings import TraceConfig\n"
        "from saec.tracing.tracers import tracer\n"
        "from saec.web.program.trace_export import exported_traces\n"
        "with exported_traces(TraceConfig(), 'p', 'i', print):\n"
        "    assert not tracer().on\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'requests'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_a_tracer_a_callers_trace_is_carried_on() -> None:
    assert trace_of(*FRAME) == ""
    with frame_span("a", *FRAME, kind="client") as span:
        assert span.traceparent == traceparent() == ""
    with NoTracer().span("a", CALLER, kind="server") as span:
        span.note({"a": 1})
        assert span.traceparent == traceparent() == CALLER
    assert traceparent() == ""


def test_spans_arrive_with_ids_times_and_facts() -> None:
    with collecting() as collector:
        config = TraceConfig(endpoint=collector.url)
        with exported_traces(config, "saec-test", "one", unheard):
            trace = trace_of(*FRAME)
            assert trace == frame_trace(*FRAME)
            before = time.time_ns()
            now = time.perf_counter()
            tracer().record("edge", frame_parent(trace), now - 2, now - 1, {"saec.score": 0.5})
            with frame_span("ask", *FRAME, kind="client") as asked:
                assert traceparent() == asked.traceparent
                with tracer().span("answer", traceparent(), kind="server") as answered:
                    answered.note({"http.response.status_code": 200})
                    Stages().end("read")
            tracer().record_root("frame", trace, now - 3, now, {"error.type": "ImageError"})
        assert not tracer().on
    found = collector.of(trace)
    assert set(found) == {"edge", "ask", "answer", "read", "frame"}
    root = found["frame"]
    assert (root.span, root.parent, root.failed) == (trace[:16], "", True)
    assert found["edge"].parent == found["ask"].parent == root.span
    assert (found["answer"].parent, found["read"].parent) == (found["ask"].span, found["answer"].span)
    assert found["edge"].facts == {"saec.score": 0.5}
    assert found["answer"].facts == {"http.response.status_code": 200}
    assert root.end - root.begin == pytest.approx(3e9, rel=1e-6)
    assert abs(found["edge"].end + 1e9 - before) < 30e9  # the wall's clock, whatever perf_counter begins at
    assert {span.program for span in collector.spans} == {"saec-test"}


def test_what_a_block_raises_is_told_and_goes_on() -> None:
    with collecting() as collector:
        with (
            exported_traces(TraceConfig(endpoint=collector.url), "saec-test", "one", unheard),
            pytest.raises(KeyError),
            frame_span("ask", *FRAME, kind="client"),
        ):
            raise KeyError("x")
        (span,) = collector.spans
    assert (span.failed, span.facts["error.type"]) == (True, "KeyError")


def test_the_same_share_of_frames_is_kept_everywhere() -> None:
    frames = [(f"{i}.png", "", 0.0) for i in range(4000)]
    with collecting() as collector:
        kept = []
        for share in (0.25, 0.25, 0.5):
            with exported_traces(TraceConfig(endpoint=collector.url, share=share), "p", "i", unheard):
                kept.append({frame for frame in frames if trace_of(*frame)})
                left_out = next(frame for frame in frames if not trace_of(*frame))
                with frame_span("ask", *left_out, kind="client") as span:
                    assert span.traceparent == ""
                with tracer().span("answer", CALLER[:-1] + "0", kind="server") as span:
                    assert span.traceparent == CALLER[:-1] + "0"
        assert collector.spans == []
    assert kept[0] == kept[1] < kept[2]
    assert len(kept[0]) == pytest.approx(1000, abs=150)
    assert len(kept[2]) == pytest.approx(2000, abs=150)


def test_the_token_goes_to_the_collector(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    with collecting() as collector:
        config = TraceConfig(endpoint=collector.url, token_file=tmp_path / "token")
        with exported_traces(config, "p", "i", unheard), frame_span("ask", *FRAME, kind="client"):
            pass
    assert [headers["authorization"] for headers in collector.headers] == ["Bearer secret"]


@pytest.mark.parametrize(
    ("endpoint", "token", "said"),
    [
        ("collector:4318", False, "not an address of a collector"),
        ("http://user:word@host:4318", False, "not an address of a collector"),
        ("http://collector.example:4318", True, "unencrypted"),
    ],
)
def test_a_wrong_endpoint_is_refused(endpoint: str, token: bool, said: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    config = TraceConfig(endpoint=endpoint, token_file=tmp_path / "token" if token else None)
    with pytest.raises(ConfigError, match=said) as error, exported_traces(config, "p", "i", unheard):
        pass
    assert "word" not in str(error.value)


def test_a_collector_that_is_away_is_told_of_once_and_holds_nobody_up() -> None:
    told: list[str] = []
    with collecting() as collector:
        url = collector.url
    with exported_traces(TraceConfig(endpoint=url), "p", "i", told.append):
        for _ in range(5000):  # more than wait: the rest is dropped
            tracer().record("edge", CALLER, 0.0, 1.0)
    assert told
    assert len({text.split()[0] for text in told}) <= len(told) <= 4


def test_threads_do_not_mix_their_ids() -> None:
    traces = [frame_trace(f"{i}", "", 0.0) for i in range(200)]

    def work(mine: list[str]) -> None:
        for trace in mine:
            tracer().record_root("frame", trace, 0.0, 1.0)
            tracer().record("edge", frame_parent(trace), 0.0, 1.0)

    with (
        collecting() as collector,
        exported_traces(TraceConfig(endpoint=collector.url), "p", "i", unheard),
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(work, [traces[i::4] for i in range(4)]))
    assert sorted(span.trace for span in collector.spans) == sorted(traces * 2)
    assert all(span.span == span.trace[:16] for span in collector.spans if span.name == "frame")
    assert all(span.parent == span.trace[:16] != span.span for span in collector.spans if span.name == "edge")
