"""The service over true HTTP, the model's place taken by a gate that a test opens."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from httpx import Client, Response
from structlog.testing import capture_logs

from saec.cloud.remote.model_list import introduced
from saec.errors import ConfigError, LinkError
from saec.service.model_engine import ModelEngine
from saec.service.request_handling import RequestHandler
from saec.service.served_model import BatchGroup, ModelAnswer, ModelRequest, ServedModel
from saec.service.service_app import make_service_app
from saec.service.service_program import check_service, drain
from saec.service.service_settings import ServiceConfig
from saec.settings import RemoteConfig
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.http_settings import HttpSettings
from tests.service.service_helpers import (
    GREY,
    Gate,
    client,
    data_url,
    encoded,
    noise,
    running,
    scoring_body,
    wait_until,
)

CHAT = "/v1/chat/completions"


@pytest.fixture
def gate(served: ServedModel) -> Iterator[Gate]:
    """A gate that is open."""
    gate = Gate(served)
    gate.open.set()
    yield gate
    gate.open.set()


def _code(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"]


def _posts(
    pool: ThreadPoolExecutor, http: Client, *bodies: dict[str, Any], **how: Any
) -> list[Future[Response]]:
    return [pool.submit(http.post, CHAT, json=body, **how) for body in bodies]


def _texts(n: int) -> list[dict[str, Any]]:
    """Bodies that differ."""
    return [scoring_body(GREY, user=str(i)) for i in range(n)]


def test_nobody_without_a_token_gets_anything_but_the_health(gate: Gate, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"line-1 {token_hash('secret')}\n")
    with running(gate.served, tokens=tokens) as (where, _), client(where) as http:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            for method, path in (
                ("POST", CHAT),
                ("GET", "/v1/models"),
                ("POST", "/tokenize"),
                ("GET", "/metrics"),
            ):
                answer = http.request(method, path, headers=header)
                assert _code(answer) == (401, "no_token")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert http.get("/health").status_code == 200
        assert http.get("/ready").json() == {"ready": True, "problems": []}
        header = {"Authorization": "Bearer secret"}
        assert http.post(CHAT, json=scoring_body(GREY), headers=header).status_code == 200
        text = http.get("/metrics", headers=header).text
    assert 'saec_cloud_requests_total{code="",station="line-1",status="200"} 1.0' in text
    assert "saec_cloud_batch_count 1.0" in text


def test_each_station_may_ask_so_often(gate: Gate, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"a {token_hash('A')}\nb {token_hash('B')}\n")
    config = ServiceConfig(max_delay_ms=0.0, requests_per_s=0.001)
    with running(gate.served, config, tokens=tokens) as (where, _), client(where) as http:
        asked = {
            name: [
                http.post(CHAT, json=scoring_body(GREY), headers={"Authorization": f"Bearer {name}"})
                for _ in range(2)
            ]
            for name in "AB"
        }
    for first, second in asked.values():
        assert first.status_code == 200
        assert _code(second) == (429, "rate_limit")
        assert 1 <= int(second.headers["Retry-After"]) <= 1000


def test_when_the_queue_is_full_more_is_refused_and_what_waits_is_answered(gate: Gate) -> None:
    gate.open.clear()
    config = ServiceConfig(max_delay_ms=0.0, batch=1, queue=2)
    with (
        running(gate.served, config) as (where, handler),
        client(where) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        waiting = _posts(pool, http, scoring_body(GREY))
        assert gate.entered.acquire(timeout=60)
        waiting += _posts(pool, http, *_texts(2))
        wait_until(lambda: handler.engine.depth == 2)
        refused = http.post(CHAT, json=scoring_body(GREY))
        assert _code(refused) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 1
        gate.open.set()
        assert [f.result().status_code for f in waiting] == [200] * 3


def test_requests_share_a_batch_with_their_own_kind(gate: Gate) -> None:
    gate.open.clear()
    with (
        running(gate.served, ServiceConfig(max_delay_ms=0.0, batch=4)) as (where, handler),
        client(where) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        waiting = _posts(pool, http, scoring_body(GREY))
        assert gate.entered.acquire(timeout=60)
        waiting += _posts(pool, http, *_texts(3), *[scoring_body(GREY, "screws", user=u) for u in "ab"])
        wait_until(lambda: handler.engine.depth == 5)
        gate.open.set()
        assert {f.result().status_code for f in waiting} == {200}
    assert sorted(size for _, size in gate.batches) == [1, 2, 3]


def test_who_has_gone_costs_no_computing(gate: Gate) -> None:
    gate.open.clear()
    with (
        running(gate.served) as (where, handler),
        client(where) as http,
        ThreadPoolExecutor(2) as pool,
    ):
        (first,) = _posts(pool, http, scoring_body(GREY))
        assert gate.entered.acquire(timeout=60)
        with client(where) as other:
            request = other.build_request("POST", CHAT, json=scoring_body(GREY, user="gone"))
            with socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2]))) as raw:
                head = "".join(f"{k}: {v}\r\n" for k, v in request.headers.items())
                raw.sendall(f"POST {CHAT} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
                wait_until(lambda: handler.engine.depth == 1)
        wait_until(lambda: handler.engine.depth == 0)
        wait_until(lambda: handler.active == 1)
        gate.open.set()
        assert first.result().status_code == 200
        assert 'status="499"' in http.get("/metrics").text
    assert len(gate.batches) == 1


def test_the_same_key_is_computed_once_and_never_for_another_body(gate: Gate) -> None:
    body, key = scoring_body(GREY), {"Idempotency-Key": "frame-1"}
    with running(gate.served) as (where, _), client(where) as http:
        first, again = (http.post(CHAT, json=body, headers=key) for _ in range(2))
        assert first.status_code == 200
        assert first.json() == again.json()
        assert len(gate.batches) == 1
        other = http.post(CHAT, json=body | {"user": "x"}, headers=key)
        assert _code(other) == (422, "key_reused")
        for wrong in ("a b", "", "x" * 201):
            answer = http.post(CHAT, json=body, headers={"Idempotency-Key": wrong})
            assert _code(answer) == (400, "bad_key")
        assert http.post(CHAT, json=body).status_code == 200
    assert len(gate.batches) == 2


def test_a_key_under_way_is_joined(gate: Gate) -> None:
    gate.open.clear()
    with (
        running(gate.served) as (where, handler),
        client(where) as http,
        ThreadPoolExecutor(2) as pool,
    ):
        both = _posts(pool, http, *[scoring_body(GREY)] * 2, headers={"Idempotency-Key": "k"})
        assert gate.entered.acquire(timeout=60)
        wait_until(lambda: handler.active == 2)
        gate.open.set()
        assert both[0].result().json() == both[1].result().json()
    assert len(gate.batches) == 1


def test_stopping_finishes_what_was_accepted_and_refuses_the_rest(gate: Gate) -> None:
    gate.open.clear()
    with (
        running(gate.served, ServiceConfig(max_delay_ms=0.0, batch=1)) as (where, handler),
        client(where) as http,
        ThreadPoolExecutor(3) as pool,
    ):
        accepted = _posts(pool, http, *_texts(2))
        assert gate.entered.acquire(timeout=60)
        wait_until(lambda: handler.engine.depth == 1)
        stopping = threading.Thread(target=drain, args=(handler,))
        stopping.start()
        wait_until(lambda: handler.draining)
        refused = http.post(CHAT, json=scoring_body(GREY))
        assert _code(refused) == (503, "stopping")
        assert refused.headers["Retry-After"] == "1"
        assert http.get("/ready").status_code == 503
        assert http.get("/health").status_code == 200
        assert stopping.is_alive()
        gate.open.set()
        assert [f.result().status_code for f in accepted] == [200, 200]
        stopping.join(60)
        assert not stopping.is_alive()


def test_a_model_that_fails_is_an_error_and_not_ready(gate: Gate) -> None:
    def fail(group: BatchGroup, works: Sequence[ModelRequest]) -> list[ModelAnswer]:
        raise RuntimeError("secret words of the model")

    gate.served.compute = fail  # type: ignore[method-assign]
    with capture_logs() as logs, running(gate.served) as (where, _), client(where) as http:
        for _ in range(3):
            answer = http.post(CHAT, json=scoring_body(GREY))
            assert _code(answer) == (500, "model_failed")
            assert "secret" not in answer.text
        assert "failed" in http.get("/ready").json()["problems"][0]
    assert [entry["log_level"] for entry in logs].count("error") == 3


@pytest.fixture(scope="module")
def shared(served: ServedModel) -> Iterator[Client]:
    """An open gate's service, for what leaves it as it was."""
    gate = Gate(served)
    gate.open.set()
    config = ServiceConfig(max_delay_ms=0.0, max_bytes=200_000, max_pixels=50_000)
    with running(gate.served, config) as (where, _), client(where) as http:
        yield http
        assert http.get("/ready").status_code == 200  # whatever came before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (scoring_body(GREY, "none"), (404, "model_not_found")),
        (scoring_body("http://127.0.0.1:9/x.png"), (400, "not_a_data_url")),
        (scoring_body("/etc/passwd"), (400, "not_a_data_url")),
        (scoring_body(data_url(b"junk")), (400, "bad_image")),
        (scoring_body(data_url(encoded(noise(0, 60, 60))[:900])), (400, "bad_image")),
        (scoring_body(data_url(encoded(np.zeros((250, 250, 3), np.uint8)))), (413, "too_many_pixels")),
        (scoring_body(GREY, logprob_token_ids=[10**6]), (400, "no_such_token")),
        ({"model": "small", "messages": [{"role": "user", "content": "long " * 9000}]}, (400, "too_long")),
        ({}, (400, "bad_body")),
    ],
)
def test_each_bad_request_is_a_named_error(
    shared: Client, body: dict[str, Any], said: tuple[int, str]
) -> None:
    assert _code(shared.post(CHAT, json=body)) == said


def test_other_ways_and_methods_are_errors_of_the_same_form(shared: Client) -> None:
    assert _code(shared.get("/v1/nothing")) == (404, "not_found")
    assert _code(shared.get(CHAT)) == (405, "method_not_allowed")
    assert _code(shared.get("/v1/models/../../etc/passwd")) == (404, "not_found")
    assert _code(shared.post("/tokenize", json={"model": "small"})) == (400, "bad_body")
    assert _code(shared.post("/tokenize", json={"prompt": "x", "model": "y"})) == (404, "model_not_found")


def _raw(http: Client, head: str, body: bytes = b"") -> str:
    """What the service answers to bytes on the wire, till it closes."""
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=60) as raw:
        start = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{start}{head}\r\n".encode() + body)
        raw.settimeout(60)
        got = b""
        while b"}}" not in got and (chunk := raw.recv(65536)):
            got += chunk
    return got.decode()


def test_a_body_that_says_that_it_is_too_large_is_not_read(shared: Client) -> None:
    assert '"body_too_large"' in _raw(shared, "Content-Length: 200001\r\n")


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 100
        await asyncio.sleep(0)


async def _stuck() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("chunks", "said"), [(_endless, (413, "body_too_large")), (_stuck, (408, "slow_body"))]
)
def test_a_body_that_does_not_end_is_refused(
    gate: Gate, chunks: Callable[[], AsyncIterator[bytes]], said: tuple[int, str]
) -> None:
    """Inside the process: over a socket the refusal may meet what is still being sent."""
    config = ServiceConfig(max_bytes=1000)
    handler = RequestHandler(ModelEngine(gate.served, config), config)
    settings = HttpSettings(body_s=60 if said[0] == 413 else 0.05, linger_s=0.05)
    admission = AdmissionControl(settings, Tokens(None), "127.0.0.1:0")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(make_service_app(handler, admission))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.post(CHAT, content=chunks(), headers={"Content-Type": "application/json"})

    assert _code(asyncio.run(ask())) == said
    handler.close()


_OPENSSL = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=service "
    "-addext subjectAltName=IP:127.0.0.1"
)


@pytest.mark.parametrize("words", [b"", b"POST", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_that_sends_no_whole_head_is_closed(gate: Gate, words: bytes) -> None:
    with (
        running(gate.served, head_s=0.05) as (where, _),
        socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2])), timeout=60) as raw,
    ):
        raw.sendall(words)
        assert raw.recv(100) == b""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [*_OPENSSL.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return cert, key


def test_over_tls_and_only_for_who_trusts_the_certificate(
    gate: Gate, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = pair
    tokens, token = tmp_path / "tokens", tmp_path / "token"
    tokens.write_text(f"line-1 {token_hash('secret')}\n")
    token.write_text("secret\n")
    with running(gate.served, tokens=tokens, tls_cert=cert, tls_key=key) as (where, _):
        assert where.startswith("https://")
        remote = RemoteConfig(url=f"{where}/v1", ca_file=str(cert), token_file=str(token), retries=0)
        name, told = introduced(remote, "screws")
        assert name == "screws"
        assert told.card is not None
        assert told.card.side == 240
        with pytest.raises(LinkError, match="token"):
            introduced(RemoteConfig(url=f"{where}/v1", ca_file=str(cert), retries=0), "screws")
        with pytest.raises(LinkError, match=r"(?i)certificate"):
            introduced(RemoteConfig(url=f"{where}/v1", retries=0), "screws")


def test_a_model_must_be_named_where_there_are_several(gate: Gate) -> None:
    with running(gate.served) as (where, _):
        remote = RemoteConfig(url=f"{where}/v1", retries=0)
        with pytest.raises(ConfigError, match="small, screws"):
            introduced(remote, None)
        with pytest.raises(ConfigError, match="no model nails"):
            introduced(remote, "nails")


def test_what_cannot_be_served_is_said_before_anything_is_loaded(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = pair
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    here = ServiceConfig(listen="127.0.0.1:0")
    for config, http, said in (
        (ServiceConfig(listen="0.0.0.0:0"), HttpSettings(), "other machines"),
        (here, HttpSettings(tls_cert=cert), "only one of"),
        (here, HttpSettings(tls_cert=junk, tls_key=key), "cannot be used"),
        (here, HttpSettings(connections=0), "http.connections"),
        (ServiceConfig(listen="nowhere"), HttpSettings(), "not an address"),
        (ServiceConfig(requests_per_s=0.0), HttpSettings(), "service.requests_per_s"),
        (ServiceConfig(queue=0), HttpSettings(), "service.queue"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_service(config, http)
    check_service(here, HttpSettings(tls_cert=cert, tls_key=key))


def test_answers_have_the_form_of_openais(shared: Client) -> None:
    answer = shared.post(CHAT, json=scoring_body(GREY)).json()
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "0"}
    assert choice["finish_reason"] == "length"
    (position,) = choice["logprobs"]["content"]
    assert [(e["token"], e["logprob"]) for e in position["top_logprobs"]] == [("0", -0.1), ("1", -2.5)]
    bare = scoring_body(GREY, logprobs=False, top_logprobs=None)
    assert json.loads(shared.post(CHAT, json=bare).content)["choices"][0]["logprobs"] is None
