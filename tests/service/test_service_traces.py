"""One trace from a frame's arrival to its verdict, through the client and the service; over real HTTP."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from saec.cloud import open_engine
from saec.cloud.remote.engine import RemoteEngine
from saec.runs.inspection import run_inspection
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig, RemoteConfig, RunConfig
from saec.settings.trace_settings import TraceConfig
from saec.types import VerdictRecord
from saec.web.program.trace_export import exported_traces
from tests.run_fakes import Frames, judges
from tests.service.service_helpers import GREY, client, running, scoring_body
from tests.tracing.otlp_receiver import collecting

pytestmark = pytest.mark.numeric

UNSURE = 128
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def unheard(text: str) -> None:
    raise AssertionError(text)


def run_through(served: ServedModel, folder: Path, trace: TraceConfig) -> list[VerdictRecord]:
    """Three frames, of which the cloud is asked about two, and one that is no image."""
    frames = Frames(folder)
    sources = [frames.add("sure", 20), frames.add("a", UNSURE), frames.add("b", UNSURE, 200)]
    sources.append(frames.broken("broken"))
    with (
        exported_traces(trace, "saec-test", "one", unheard),
        running(served, ServiceConfig(max_delay_ms=20.0)) as (where, _),
    ):
        remote = RemoteConfig(url=f"{where}/v1", concurrency=4, timeout_s=60)
        engine = open_engine(CloudConfig(model="small", remote=remote))
        assert isinstance(engine, RemoteEngine)
        judging = dataclasses.replace(judges(), engine=engine)
        found = list(run_inspection(sources, judging, RunConfig(explain=False)))
        engine.close()
    return sorted(found, key=lambda verdict: verdict.id)


def test_one_trace_joins_run_client_and_service(served: ServedModel, tmp_path: Path) -> None:
    with collecting() as collector:
        a, b, broken, sure = run_through(served, tmp_path, TraceConfig(endpoint=collector.url))
    assert len({v.trace for v in (a, b, broken, sure)}) == 4
    edge = {"frame", "read", "decode", "edge", "route"}
    asked = edge | {"queue", "cloud question", "judge request", "POST /v1/chat/completions"}
    service = {"admission", "decode", "prepare", "wait", "model"}
    assert set(collector.of(sure.trace)) == edge
    assert set(collector.of(broken.trace)) == {"frame"}
    assert collector.of(broken.trace)["frame"].failed
    for verdict in (a, b):
        found = collector.of(verdict.trace)
        assert set(found) == asked | service
        root, request = found["frame"], found["judge request"]
        assert root.facts["saec.frame"] == verdict.id
        assert root.facts["saec.decided_by"] == verdict.decided_by == "cloud"
        answered = found["POST /v1/chat/completions"]
        assert (request.parent, answered.parent) == (root.span, request.span)
        assert answered.facts["http.response.status_code"] == 200
        assert {found[name].parent for name in ("admission", "prepare", "wait", "model")} == {answered.span}
        assert root.begin <= request.begin <= answered.begin <= found["model"].begin
        assert found["model"].end <= answered.end <= request.end <= root.end


def test_without_an_endpoint_the_verdicts_are_the_same(served: ServedModel, tmp_path: Path) -> None:
    with collecting() as collector:
        traced = run_through(served, tmp_path / "a", TraceConfig(endpoint=collector.url))
    plain = run_through(served, tmp_path / "b", TraceConfig())
    assert [v.trace for v in plain] == [""] * 4
    for one, other in zip(plain, traced, strict=True):
        assert (one.id, one.label, one.decided_by) == (other.id, other.label, other.decided_by)
        assert one.p_defect == pytest.approx(other.p_defect, abs=1e-4)


def test_a_refused_request_is_an_error_in_its_callers_trace(served: ServedModel) -> None:
    with collecting() as collector:
        with (
            exported_traces(TraceConfig(endpoint=collector.url), "saec-test", "one", unheard),
            running(served) as (where, _),
            client(where) as http,
        ):
            body = scoring_body(GREY, model="no-such-model")
            said = http.post("/v1/chat/completions", json=body, headers={"traceparent": CALLER})
            assert said.status_code == 404
            assert http.post("/v1/chat/completions", json=scoring_body(GREY)).status_code == 200
        refused = collector.of(CALLER[3:35])["POST /v1/chat/completions"]
        (own,) = {span.trace for span in collector.spans} - {CALLER[3:35]}
        assert (refused.failed, refused.facts["error.type"]) == (True, "model_not_found")
        assert refused.parent == CALLER[36:52]
        assert collector.of(own)["POST /v1/chat/completions"].parent == ""


def test_a_callers_trace_is_logged_where_nothing_is_traced(
    served: ServedModel, capfd: pytest.CaptureFixture[str]
) -> None:
    import structlog

    with (
        running(served) as (where, _),
        client(where) as http,
        structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs,
    ):
        headers = {"traceparent": CALLER}
        assert http.post("/v1/chat/completions", json=scoring_body(GREY), headers=headers).status_code == 200
        assert http.post("/v1/chat/completions", json=scoring_body(GREY)).status_code == 200
    answered = [entry for entry in logs if entry["event"] == "request answered"]
    assert [entry.get("trace") for entry in answered] == [CALLER[3:35], None]
