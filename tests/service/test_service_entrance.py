"""No tenant takes what is the others', and no page of another site is computed for."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response

from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.web.admission.tokens import token_hash
from tests.service.service_helpers import GREY, Gate, client, running, scoring_body, wait_until

CHAT = "/v1/chat/completions"
A, B = {"Authorization": "Bearer A"}, {"Authorization": "Bearer B"}


@pytest.fixture
def gate(served: ServedModel) -> Iterator[Gate]:
    gate = Gate(served)
    gate.open.set()
    yield gate
    gate.open.set()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"a {token_hash('A')}\nb {token_hash('B')}\n")
    return path


def code(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("path", [CHAT, "/tokenize"])
def test_json_without_end_is_a_named_error(gate: Gate, path: str) -> None:
    bodies = [
        deep(49_000),
        '{"model":"small","prompt":"x","z":' + deep(49_000) + "}",
        '{"model":"small","messages":[],"response_format":{"type":"json_schema","json_schema":{"a":'
        + deep(45_000)
        + "}}}",
    ]
    with running(gate.served) as (where, _), client(where) as http:
        for body in bodies:
            answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert code(answer) == (400, "bad_body")


@pytest.mark.parametrize("letter", ["a", " ", "é", "\ud83d\ude00"])
def test_a_long_text_is_tokenized(gate: Gate, letter: str) -> None:
    with running(gate.served) as (where, _), client(where) as http:
        text = json.dumps({"model": "small", "prompt": letter * (90_000 // len(json.dumps(letter)[1:-1]))})
        answer = http.post("/tokenize", content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", [CHAT, "/tokenize"])
@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "text/json;x"])
def test_what_says_that_it_is_no_json_is_not_read(gate: Gate, path: str, kind: str) -> None:
    """A page of another site may send anything else without asking first."""
    with running(gate.served) as (where, _), client(where) as http:
        headers = {"Content-Type": kind}
        answer = http.post(path, content=json.dumps(scoring_body(GREY)), headers=headers)
        assert code(answer) == (415, "not_json")
        assert not gate.batches


@pytest.mark.parametrize("path", [CHAT, "/tokenize"])
def test_a_compressed_body_is_refused_with_the_remedy(gate: Gate, path: str) -> None:
    with running(gate.served) as (where, _), client(where) as http:
        data = gzip.compress(json.dumps(scoring_body(GREY)).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = http.post(path, content=data, headers=headers)
        assert code(answer) == (415, "encoded_body")
        assert "without an encoding" in answer.json()["error"]["message"]
        assert (
            http.post(CHAT, json=scoring_body(GREY), headers={"Content-Encoding": "identity"}).status_code
            == 200
        )


def test_a_body_of_which_nothing_is_said_is_read_and_not_that_of_a_page(gate: Gate) -> None:
    """A page can send bytes without a type; its browser tells from where."""
    with running(gate.served) as (where, _), client(where) as http:
        body = json.dumps(scoring_body(GREY)).encode()
        assert http.post(CHAT, content=body).status_code == 200
        assert http.post(CHAT, content=body, headers={"Origin": "null"}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "evil.example"}, (421, "foreign_host")),
        ({"Origin": "http://evil.example"}, (403, "foreign_origin")),
    ],
)
def test_nothing_is_computed_for_another_site(
    gate: Gate, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    with running(gate.served) as (where, _), client(where) as http:
        assert code(http.post(CHAT, json=scoring_body(GREY), headers=headers)) == expected
        assert http.options(CHAT, headers=headers).status_code == expected[0]
        assert not gate.batches


def test_tokenize_counts_towards_the_rate(gate: Gate, tokens: Path) -> None:
    config = ServiceConfig(max_delay_ms=0.0, requests_per_s=0.001)
    with running(gate.served, config, tokens=tokens) as (where, _), client(where) as http:
        asked = {"model": "small", "prompt": "x"}
        assert http.post("/tokenize", json=asked, headers=A).status_code == 200
        assert code(http.post("/tokenize", json=asked, headers=A)) == (429, "rate_limit")
        assert code(http.post(CHAT, json=scoring_body(GREY), headers=A)) == (429, "rate_limit")
        assert http.post("/tokenize", json=asked, headers=B).status_code == 200


def test_slow_bodies_of_one_tenant_are_refused_before_they_are_read(gate: Gate, tokens: Path) -> None:
    config = ServiceConfig(max_delay_ms=0.0, queue=6, batch=2, token_share=0.5)
    with (
        running(gate.served, config, tokens=tokens) as (where, handler),
        client(where) as http,
        contextlib.ExitStack() as held,
    ):
        address = (http.base_url.host, http.base_url.port)
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer A\r\n"
            "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        )
        for _ in range(4):
            raw = held.enter_context(socket.create_connection(address, timeout=60))
            raw.sendall(head.encode())
        wait_until(lambda: handler.active == 4)
        with socket.create_connection(address, timeout=60) as fifth:
            fifth.sendall(head.encode())
            answer = fifth.recv(65536)
            assert b"429" in answer.split(b"\r\n")[0]
            assert b"retry-after" in answer.lower()
        assert http.post(CHAT, json=scoring_body(GREY), headers=B).status_code == 200
        assert http.get("/ready").status_code == 200


def test_a_rate_is_counted_before_the_body_is_there(gate: Gate, tokens: Path) -> None:
    config = ServiceConfig(max_delay_ms=0.0, requests_per_s=0.001)
    with running(gate.served, config, tokens=tokens) as (where, handler), client(where) as http:
        address = (http.base_url.host, http.base_url.port)
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer A\r\n"
            "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
        ).encode()
        with (
            socket.create_connection(address, timeout=60) as first,
            socket.create_connection(address, timeout=60) as second,
        ):
            first.sendall(head)
            wait_until(lambda: handler.active == 1)
            second.sendall(head)
            assert b" 429 " in second.recv(65536)


def test_bodies_that_are_held_at_once_are_bounded(gate: Gate) -> None:
    with (
        running(gate.served, bodies_mb=8, bodies_share=0.5) as (where, _),
        client(where) as http,
        contextlib.ExitStack() as held,
    ):
        address = (http.base_url.host, http.base_url.port)
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for _ in range(4):
            raw = held.enter_context(socket.create_connection(address, timeout=60))
            raw.sendall(f"{head}Content-Length: {1 << 20}\r\n\r\n".encode())
        wait_until(lambda: "saec_http_body_bytes 4.194304e+06" in http.get("/metrics").text)
        assert code(http.post(CHAT, json=scoring_body(GREY))) == (429, "bytes_held")
        held.close()
        wait_until(lambda: http.post(CHAT, json=scoring_body(GREY)).status_code == 200)
        assert 'saec_http_refused_total{reason="bytes"}' in http.get("/metrics").text
