"""A station's traces: from a frame's arrival over its verdicts to the sinks, one id in all of them."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
import structlog

from saec import edge
from saec.errors import ConfigError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.settings.trace_settings import TraceConfig
from saec.station.setup.settings_checks import check_traces_on_site
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import WebhookSink
from saec.station.storage.records import SpoolLimits
from saec.tracing.trace_ids import frame_parent
from saec.web.admission.tokens import Tokens
from saec.web.program.trace_export import exported_traces
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import GOOD, NO_GUARD, UNSURE, FakeLinkCloud, Running, png
from tests.tracing.otlp_receiver import collecting

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    make_line(tmp_path / "profile")
    line = LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)
    return StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[line],
        spool=SpoolLimits(free_gb=0),
    )


def unheard(text: str) -> None:
    raise AssertionError(text)


def test_a_frames_trace_joins_its_caller_its_stages_and_its_logs(settings: StationSettings) -> None:
    with (
        collecting() as collector,
        structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs,
    ):
        with (
            exported_traces(TraceConfig(endpoint=collector.url), "saec-station", "one", unheard),
            Running(settings, FakeLinkCloud(), Tokens(None)) as running,
        ):
            good = running.post(png(GOOD), traceparent=CALLER).json()
            asked = running.post(png(UNSURE, 255)).json()
            broken = running.post(b"no image").json()
        traces = [answer["verdict"]["trace"] for answer in (good, asked, broken)]
    stages = {"frame", "wait", "read", "decode", "edge", "route"}
    assert set(collector.of(traces[0])) == stages
    assert set(collector.of(traces[1])) == stages | {"queue", "cloud question"}
    assert set(collector.of(traces[2])) == {"frame"}
    assert collector.of(traces[2])["frame"].failed
    accepted = collector.of(CALLER[3:35])["accept"]
    assert (accepted.parent, accepted.facts["saec.frame"]) == (CALLER[36:52], good["id"])
    told = {entry["frame"]: entry["trace"] for entry in logs if entry["event"] == "verdict"}
    assert told == {good["id"]: traces[0], asked["id"]: traces[1]}
    (unlabelled,) = (entry for entry in logs if entry["event"] == "frame without label")
    assert unlabelled["trace"] == traces[2]


def test_a_late_final_verdict_stands_in_the_same_trace(settings: StationSettings) -> None:
    line = msgspec.structs.replace(settings.line[0], deadline_s=0.3)
    cloud = FakeLinkCloud()
    cloud.up = False
    with (
        collecting() as collector,
        exported_traces(TraceConfig(endpoint=collector.url), "saec-station", "one", unheard),
        Running(msgspec.structs.replace(settings, line=[line]), cloud, Tokens(None)) as running,
    ):
        first = running.post(png(UNSURE, 255)).json()
        assert first["verdict"]["state"] == "provisional"
        cloud.up = True
        record = f"/v1/frames/{first['id']}"
        eventually(lambda: "final" in running.client.get(record).json()["verdicts"])
        final = running.client.get(record).json()["verdicts"]["final"]
    assert final["trace"] == first["verdict"]["trace"]
    found = collector.of(final["trace"])
    assert found["frame"].facts["saec.state"] == "provisional"
    assert found["verdict"].facts["saec.state"] == "final"
    assert found["verdict"].parent == found["frame"].span
    assert sum(span.name == "frame" for span in collector.spans) == 1


def test_a_receiver_is_told_the_trace(settings: StationSettings) -> None:
    seen: list[tuple[str | None, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.headers["traceparent"], body["verdict"]["trace"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server, collecting() as collector:
        Thread(target=server.serve_forever, daemon=True).start()
        sink = WebhookSink(name="mes", url=f"http://127.0.0.1:{server.server_address[1]}/")
        with (
            exported_traces(TraceConfig(endpoint=collector.url), "saec-station", "one", unheard),
            Running(msgspec.structs.replace(settings, sink=[sink]), FakeLinkCloud(), Tokens(None)) as running,
        ):
            trace = running.post(png(GOOD)).json()["verdict"]["trace"]
            eventually(lambda: seen)
        server.shutdown()
    assert seen == [(frame_parent(trace), trace)]
    delivered = collector.of(trace)["deliver"]
    assert (delivered.facts["saec.sink"], delivered.failed) == ("mes", False)


def test_without_an_endpoint_no_verdict_names_a_trace(settings: StationSettings) -> None:
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        assert running.post(png(GOOD), traceparent=CALLER).json()["verdict"]["trace"] == ""


def test_traces_stay_on_the_site_where_nothing_may_leave_it(settings: StationSettings) -> None:
    private = msgspec.structs.replace(settings.station, privacy=True)
    settings = msgspec.structs.replace(settings, station=private)
    check_traces_on_site(settings, TraceConfig())
    check_traces_on_site(settings, TraceConfig(endpoint="http://10.1.2.3:4318"))
    with pytest.raises(ConfigError, match="privacy"):
        check_traces_on_site(settings, TraceConfig(endpoint="https://collector.example:4318"))
