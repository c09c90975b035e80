"""One trace through the entrance and a replica: in one process, and on a true Ray."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest

from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas import engine_replica
from saec.service.replicas.engine_replica import EngineReplica
from saec.service.replicas.messages import ReplicaReply, ReplicaReport, ReplicaRequest
from saec.service.replicas.replica_set import ReplicaSet
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.tracing.tracers import tracer
from saec.web.log_settings import LogConfig
from tests.processes import eventually, serving
from tests.service.service_helpers import GREY, scoring_body
from tests.tracing.otlp_receiver import collecting

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


STAGES = {"replica", "decode", "prepare", "wait", "model"}


class OneReplica:
    """The replicas of a set: one, in this process."""

    def __init__(self, replica: EngineReplica) -> None:
        self._replica = replica

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        assert method == "answer"
        return await self._replica.answer(request)

    def reports(self) -> list[ReplicaReport]:
        return [asyncio.run(self._replica.report())]


def test_what_a_replica_does_stands_in_the_trace_of_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_replica, "configure_logs", lambda level: None)
    config, model = ServiceConfig(), CloudConfig(model="small", dtype="float32", device="cpu")
    with collecting() as collector:
        replica = EngineReplica(config, model, 1, LogConfig(), TraceConfig(endpoint=collector.url), "one")
        entrance = ReplicaSet(OneReplica(replica), config, ReplicaConfig())
        try:
            with tracer().span("request", CALLER, kind="server"):
                asyncio.run(entrance.answer(msgspec.json.encode(scoring_body(GREY)), "anyone"))
        finally:
            entrance.close()
            del entrance, replica  # which sends what waits
        eventually(lambda: set(collector.of(CALLER[3:35])) >= STAGES | {"request"})
        found = collector.of(CALLER[3:35])
    assert found["replica"].parent == found["request"].span
    assert {found[stage].parent for stage in STAGES - {"replica"}} == {found["replica"].span}
    assert found["replica"].facts["saec.replica"] == "one"


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_a_trace_goes_on_in_the_replica(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with collecting() as collector:
        (tmp_path / "cloud.toml").write_text(
            "[service]\nlisten = '127.0.0.1:0'\n[cloud]\ndevice = 'cpu'\ndtype = 'float32'\n"
            f"[replicas]\ncount = 2\ncpus = 0.5\n[trace]\nendpoint = '{collector.url}'\n"
        )
        short = {"RAY_TMPDIR": str(tmp_path_factory.getbasetemp()), "OMP_NUM_THREADS": "1"}
        with serving("cloud", "--config", "cloud.toml", cwd=tmp_path, env=short) as cloud:
            said = httpx.post(
                f"{cloud.url}/chat/completions",
                json=scoring_body(GREY),
                headers={"traceparent": CALLER},
                timeout=120,
                trust_env=False,
            )
            assert said.status_code == 200
            eventually(lambda: set(collector.of(CALLER[3:35])) >= STAGES)
        found = collector.of(CALLER[3:35])
    entrance, replica = found["POST /v1/chat/completions"], found["replica"]
    assert entrance.parent == CALLER[36:52]
    assert replica.parent == entrance.span
    assert {found[stage].parent for stage in STAGES - {"replica"}} == {replica.span}
    assert replica.facts["saec.replica"]
