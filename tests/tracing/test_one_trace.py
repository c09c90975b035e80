"""Station, service and run as a user starts them, with one collector: one id from arrival to sinks."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.processes import eventually, saec, serving
from tests.tracing.otlp_receiver import collecting

pytestmark = pytest.mark.acceptance

STAGES = {"frame", "wait", "read", "decode", "edge", "route", "queue", "cloud question", "judge request"}
SERVICE = {"POST /v1/chat/completions", "admission", "prepare", "model"}


def test_one_trace_from_trigger_to_verdict(gear_line: Path, gears: Path, tmp_path: Path) -> None:
    image = sorted((gears / "test" / "good").iterdir())[0].read_bytes()
    with collecting() as collector:
        traces = ("--trace-endpoint", collector.url)
        cloud_options = ("--model", "small", "--listen", "127.0.0.1:0", *traces)
        with serving("cloud", *cloud_options, cwd=tmp_path) as cloud:
            (tmp_path / "station.toml").write_text(
                f'[station]\ndata = "data"\nlisten = "127.0.0.1:0"\n'
                f'[cloud]\nmodel = "{cloud.url}"\nservice_model = "small"\n'
                f'[[line]]\nname = "cell"\nprofile = "{gear_line}"\npolicy = "cloud"\ndeadline_s = 60\n'
                f'[[sink]]\nkind = "files"\nname = "log"\npath = "out"\n'
                f'[trace]\nendpoint = "{collector.url}"\n'
            )
            with serving("station", "--config", "station.toml", cwd=tmp_path) as station:
                eventually(lambda: httpx.get(f"{station.url}/v1/status").json()["lines"]["cell"]["cloud"])
                answer = httpx.post(
                    f"{station.url}/v1/lines/cell/frames?wait=60",
                    content=image,
                    headers={"Content-Type": "image/png"},
                    timeout=120,
                ).json()
                eventually(lambda: list((tmp_path / "out").glob("*.jsonl")))
            run = tmp_path / "run"
            asked = ("--cloud", cloud.url, "--cloud-model", "small", "--policy", "cloud")
            inspected = saec(
                "inspect", gears / "test" / "good", "--line", gear_line, "--out", run, *asked, *traces
            )
            assert inspected.returncode == 0, inspected.stderr
        logs = {name: (tmp_path / f"{name}.log").read_text() for name in ("cloud", "station")}
        trace = answer["verdict"]["trace"]
        found = collector.of(trace)
        assert set(found) >= STAGES | SERVICE | {"deliver"}
        programs = {span.name: span.program for span in collector.spans if span.trace == trace}
        assert programs["frame"] == programs["deliver"] == programs["judge request"] == "saec-station"
        assert programs["model"] == programs["POST /v1/chat/completions"] == "saec-cloud"
        assert found["POST /v1/chat/completions"].parent == found["judge request"].span
        (sunk,) = (path.read_text() for path in (tmp_path / "out").glob("*.jsonl"))
        assert json.loads(sunk.splitlines()[0])["verdict"]["trace"] == trace
        assert all(f'"trace": "{trace}"' in text for text in logs.values())
        verdicts = [json.loads(line) for line in (run / "verdicts.jsonl").read_text().splitlines()]
        asking = (STAGES - {"wait"}) | {"POST /v1/chat/completions"}
        spans = [set(collector.of(v["trace"])) for v in verdicts]
        assert all(names >= asking for names in spans)
        remembered = [names for names in spans if not names >= SERVICE]
        assert len(remembered) == 1  # the question that the station had asked before, word for word
