"""The service's key promise: a client sees the very numbers of the engine in its own process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from saec.cloud import open_engine
from saec.cloud.checkpoints.checkpoint_folder import read_card
from saec.cloud.engines.qwen import QwenEngine
from saec.cloud.remote.engine import RemoteEngine
from saec.contracts import CloudEngine
from saec.data.procedural import draw_product
from saec.errors import LinkError
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig, RemoteConfig, Spending
from saec.types import CloudQuery, Frame, Image
from saec_research.small_model import FOLDER as SMALL
from tests.helpers_numeric import same_opinions
from tests.service.service_helpers import client, data_url, encoded, noise, running, scoring_body

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def where(served: ServedModel) -> Iterator[str]:
    """A service that waits long enough for batches to fill."""
    with running(served, ServiceConfig(max_delay_ms=50.0, batch=4)) as (where, _):
        yield where


def _query(image: Image, *references: Image, name: str = "frame") -> CloudQuery:
    return CloudQuery(Frame(name, image), references, focus=(1, 2, 3, 4))


def _remote(where: str, model: str = "small", **settings: Any) -> RemoteEngine:
    card = settings.pop("card", None)
    remote = RemoteConfig(url=f"{where}/v1", concurrency=8, timeout_s=60, card=card)
    opened = open_engine(CloudConfig(model=model, remote=remote, **settings))
    assert isinstance(opened, RemoteEngine)
    return opened


def _ps(engine: CloudEngine, queries: list[CloudQuery]) -> list[float]:
    return [o.p_defect for o in engine.judge(queries)]


def test_the_client_sees_what_the_engine_in_its_own_process_says(where: str, engine: QwenEngine) -> None:
    queries = [
        _query(noise(0)),
        _query(noise(1, 300, 200), noise(2)),
        _query(noise(3, 120, 500), noise(4, 90, 90)),
        _query(noise(5), noise(5)),
        _query(noise(6, 640, 480)),
    ]
    remote = _remote(where)
    together = _ps(remote, queries)
    alone = [_ps(remote, [q])[0] for q in queries]
    expected = _ps(engine, queries)
    same_opinions(engine, together, expected)
    same_opinions(engine, alone, expected)
    assert len({round(p, 5) for p in together}) == len(queries)


@pytest.mark.parametrize("settings", [{"scoring": "rank", "references": 0}, {"views": 2}])
def test_crops_and_views_are_the_same_too(where: str, settings: dict[str, Any]) -> None:
    asked = [_query(noise(7, 300, 260), noise(8))]
    here = open_engine(CloudConfig(model="small", dtype="float32", device="cpu", **settings))
    same_opinions(here, _ps(_remote(where, **settings), asked), _ps(here, asked))


@pytest.mark.parametrize("rule", ["whole", "crop", "scene"])
def test_what_is_spent_on_a_frame_is_the_same_too(
    where: str, engine: QwenEngine, rule: Literal["whole", "crop", "scene"]
) -> None:
    spending = Spending(rule=rule)
    image = noise(7, 560, 672)
    asked = CloudQuery(Frame("f", image), (noise(8, 560, 672),), hottest=(90, 400, 110, 420), complexity=0.0)
    (here,) = open_engine(CloudConfig(model="small", dtype="float32", device="cpu", spending=spending)).judge(
        [asked]
    )
    (there,) = _remote(where, spending=spending, card=read_card(SMALL)).judge([asked])
    same_opinions(engine, there.p_defect, here.p_defect)
    assert there.spent is not None
    assert there.spent.bytes > 1000
    assert msgspec.structs.replace(there.spent, bytes=0) == here.spent
    assert len(here.spent.shown) == (1 if rule == "whole" else 2)


def test_each_adapter_is_what_it_is_alone(where: str, adapters: dict[str, Path], engine: QwenEngine) -> None:
    asked = [_query(noise(0), noise(1))]
    card = read_card(SMALL)
    base = _ps(engine, asked)
    expected = {
        name: _ps(
            open_engine(CloudConfig(model="small", adapter=str(path), dtype="float32", device="cpu")), asked
        )
        for name, path in adapters.items()
    }
    assert len({round(p, 4) for (p,) in [base, *expected.values()]}) == 3
    for name in ("screws", "bolts.2", "small", "screws"):
        there = _ps(_remote(where, name, card=card), asked)
        same_opinions(engine, there, expected.get(name, base))


def test_requests_for_several_models_at_once_each_get_their_own(
    where: str, engine: QwenEngine, adapters: dict[str, Path]
) -> None:
    asked = [_query(noise(0), noise(1))]
    remotes = {name: _remote(where, name, card=read_card(SMALL)) for name in ("small", *adapters)}
    alone = {name: _ps(remote, asked) for name, remote in remotes.items()}
    with ThreadPoolExecutor(6) as pool:
        futures = [(name, pool.submit(_ps, remotes[name], asked)) for name in [*remotes] * 2]
        for name, future in futures:
            same_opinions(engine, future.result(), alone[name])


def test_the_words_are_those_of_the_engine(where: str, engine: QwenEngine) -> None:
    product = draw_product("fabric", 2**31 + 5)
    stain = _query(product.render(3, "stain", 0.1, 224).image, product.render(1, size=224).image)
    hole = _query(product.render(4, "hole", 0.1, 224).image)
    assert _remote(where).explain([stain, hole]) == engine.explain([stain, hole])


def test_an_unknown_model_is_named(where: str) -> None:
    with pytest.raises(LinkError, match="none"):
        _remote(where, "none").judge([_query(noise(0))])


def test_the_list_of_models_tells_what_a_client_must_know(
    where: str, engine: QwenEngine, adapters: dict[str, Path]
) -> None:
    with client(where) as http:
        models = http.get("/v1/models").json()["data"]
        assert [m["id"] for m in models] == ["small", *adapters]
        assert [m["parent"] for m in models] == [None, "small", "small"]
        assert models[0]["saec"]["weights_hash"] == engine.weights_hash
        assert len({m["saec"]["weights_hash"] for m in models}) == 3
        told = {k: v for k, v in models[1]["saec"].items() if k != "weights_hash"}
        assert told == {
            "demonstration": True,
            "side": 240,
            "square": True,
            "prompt": "v1",
            "max_references": 1,
            "unit": 20,
            "views": 1,
        }
        assert http.get("/v1/models/screws").json() == models[1]
        assert http.get("/v1/models/nails").status_code == 404


def test_both_labels_are_always_to_be_had(where: str, engine: QwenEngine) -> None:
    ids = [engine.core.tokens_of(label)[0] for label in ("0", "1")]
    body = scoring_body(data_url(encoded(noise(0))), top_logprobs=1, logprob_token_ids=ids)
    with client(where) as http:
        for label, i in zip(("0", "1"), ids, strict=True):
            asked = {"model": "small", "prompt": label, "add_special_tokens": False}
            assert http.post("/tokenize", json=asked).json()["tokens"] == [i]
        answer = http.post("/v1/chat/completions", json=body).json()
    (position,) = answer["choices"][0]["logprobs"]["content"]
    assert {"0", "1"} <= {entry["token"] for entry in position["top_logprobs"]}
    assert position["token"] == answer["choices"][0]["message"]["content"]
    assert position["logprob"] == max(entry["logprob"] for entry in position["top_logprobs"])
    assert answer["system_fingerprint"] == engine.weights_hash
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + 1
    assert usage["prompt_tokens"] > 144  # of a square of 240 pixels


def test_words_that_do_not_fit_the_schema_are_an_error(where: str) -> None:
    fields = {"kind": {"type": "string"}, "description": {"type": "string"}}
    schema = {"type": "object", "properties": fields}
    body = scoring_body(data_url(encoded(noise(0))), max_tokens=2, logprobs=False, top_logprobs=None)
    body["response_format"] = {"type": "json_schema", "json_schema": {"name": "defect", "schema": schema}}
    with client(where) as http:
        answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "answer_does_not_fit"
    assert json.loads(answer.content)["error"]["type"] == "invalid_request_error"
