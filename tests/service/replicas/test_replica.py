"""One replica without Ray, and the settings that it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from saec.errors import ConfigError, EndedError, ModelError
from saec.service.model_engine import ModelEngine
from saec.service.replicas import engine_replica
from saec.service.replicas.deployed_settings import Deployed
from saec.service.replicas.engine_replica import EngineReplica
from saec.service.replicas.local_replicas import open_replicas
from saec.service.replicas.messages import ReplicaReply, ReplicaRequest
from saec.service.requests.refusals import RequestRefused
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.log_settings import LogConfig
from tests.service.service_helpers import GREY, Gate, scoring_body

CONFIG = ServiceConfig(max_delay_ms=0.0)


@pytest.fixture
def replica(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineReplica]:
    yield from _replica(served, monkeypatch)


def _replica(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineReplica]:
    monkeypatch.setattr(engine_replica, "configure_logs", lambda level: None)  # of the whole process
    monkeypatch.setattr(ServedModel, "load", lambda config, adapters: served)
    cores = torch.get_num_threads()
    yield EngineReplica(CONFIG, CloudConfig(), cores, LogConfig(), TraceConfig(), "first")


def test_it_answers_as_the_model_in_one_process(replica: EngineReplica, served: ServedModel) -> None:
    engine, body = ModelEngine(served, CONFIG), msgspec.json.encode(scoring_body(GREY))
    there = asyncio.run(replica.answer(ReplicaRequest(body, "line-1")))
    here = asyncio.run(engine.answer(body, "line-1"))
    engine.close()
    assert there.replica == "first"
    assert there.answer is not None
    kept = ("model", "choices", "usage", "system_fingerprint")
    told, alone = msgspec.json.decode(there.answer.data), msgspec.json.decode(here.data)
    assert [told[name] for name in kept] == [alone[name] for name in kept]


def test_each_reply_comes_as_a_stream_of_one(replica: EngineReplica) -> None:
    async def streamed(method: str, data: bytes) -> list[ReplicaReply]:
        return [reply async for reply in replica.replies(ReplicaRequest(data), method)]

    (models,) = asyncio.run(streamed("models", b""))
    assert models == asyncio.run(replica.models(ReplicaRequest(b"")))
    (tokens,) = asyncio.run(streamed("tokens", b'{"prompt": "Label: 0"}'))
    (text,) = asyncio.run(streamed("text", msgspec.json.encode({"tokens": tokens.told["tokens"]})))
    assert text.told == {"prompt": "Label: 0"}
    (refused,) = asyncio.run(streamed("answer", b"{"))
    assert refused.refused is not None


def test_a_refusal_comes_as_a_reply(replica: EngineReplica) -> None:
    reply = asyncio.run(replica.answer(ReplicaRequest(b"{")))
    with pytest.raises(RequestRefused) as refused:
        reply.checked()
    assert (refused.value.status, refused.value.code) == (400, "bad_body")


def test_a_model_that_fails_is_a_reply_that_does_not_say_why(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(served)

    def fail(*_: object) -> None:
        raise ValueError("a secret")

    gate.served.compute = fail  # type: ignore[method-assign, assignment]
    (replica,) = _replica(gate.served, monkeypatch)
    request = ReplicaRequest(msgspec.json.encode(scoring_body(GREY)))
    for _ in range(3):
        replica.check_health()
        reply = asyncio.run(replica.answer(request))
        with pytest.raises(RequestRefused, match="the model failed: ValueError") as refused:
            reply.checked()
        assert "secret" not in str(refused.value.body)
    with pytest.raises(EndedError, match="3 batches failed"):
        replica.check_health()


def test_what_is_told_at_once_is_a_reply(replica: EngineReplica) -> None:
    text = ReplicaRequest(b'{"prompt": "Label: 0"}')
    ids = asyncio.run(replica.tokens(text)).told["tokens"]
    back = ReplicaRequest(msgspec.json.encode({"tokens": ids}))
    assert asyncio.run(replica.text(back)).told == {"prompt": "Label: 0"}
    models = asyncio.run(replica.models(ReplicaRequest(b""))).told
    assert [model["id"] for model in models] == ["small", "screws", "bolts.2"]


def test_its_report_says_what_it_serves_and_counts(replica: EngineReplica) -> None:
    asyncio.run(replica.answer(ReplicaRequest(msgspec.json.encode(scoring_body(GREY)))))
    report = asyncio.run(replica.report())
    assert (report.replica, report.depth, report.problems) == ("first", 0, [])
    assert len(report.models) == 3
    samples = {sample.name for metric in report.metrics for sample in metric.samples}
    assert {"saec_cloud_tokens_total", "saec_cloud_batch_count", "saec_cloud_prefixes_total"} <= samples


def test_settings_may_come_as_tables() -> None:
    found = Deployed.read(
        {
            "service": {"model": "m", "tokens_file": "/etc/tokens", "adapters": {"a": "/x"}},
            "replicas": {"count": 3, "gpus": 0.5},
            "http": {"hosts": ["saec.example"]},
        }
    )
    assert found.cloud.model == "m"
    assert found.service.tokens_file == Path("/etc/tokens")
    assert found.service.adapters == {"a": Path("/x")}
    assert found.http.hosts == ("saec.example",)
    assert (found.replicas.count, found.replicas.gpus) == (3, 0.5)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"replicas": {"count": 0}}, "count must be a whole number"),
        ({"http": {"port": 1}}, "no setting of .http. port"),
        ({"service": {"tokens_file": 1}}, "tokens_file"),
        ({"service": {"tokens": "x"}}, "no setting of .service. tokens"),
        ({"servce": {}}, "no section servce"),
    ],
)
def test_a_fault_in_a_table_is_named(table: dict[str, dict[str, int]], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Deployed.read(table)


def test_the_entrance_stays_where_only_the_weights_are_others() -> None:
    one = Deployed.read({"service": {"model": "a", "adapters": {"x": "/x"}}, "cloud": {"dtype": "bfloat16"}})
    assert one.stamp == Deployed.read({"service": {"model": "b"}, "replicas": {"count": 2}}).stamp
    assert one.stamp != Deployed.read({"service": {"model": "a", "queue": 3}}).stamp
    assert one.stamp != Deployed.read({"http": {"hosts": ["h"]}}).stamp


@pytest.mark.parametrize(
    ("service", "fault"),
    [({"model": "/no/such"}, "/no/such"), ({"adapters": {"screws": "no/adapter"}}, "no/adapter")],
)
def test_what_is_missing_is_said_before_ray_starts(service: dict[str, object], fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        open_replicas(Deployed.read({"service": service, "replicas": {"count": 2}}))
