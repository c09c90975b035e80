"""A model or a decoder that hangs fails the service's health; who has nothing to do is alive."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from saec.service import model_engine as handling
from saec.service.batching import Batcher
from saec.service.served_model import ServedModel
from saec.service.service_program import load_engine, run_service
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.web.http_settings import HttpSettings
from saec.web.program import main_thread as starting
from tests.service.service_helpers import GREY, Gate, client, running, scoring_body, wait_until

CHAT = "/v1/chat/completions"


@pytest.fixture
def gate(served: ServedModel) -> Iterator[Gate]:
    gate = Gate(served)
    yield gate
    gate.open.set()


def test_a_model_that_computes_for_too_long_fails_the_health_until_it_is_done(gate: Gate) -> None:
    config = ServiceConfig(max_delay_ms=0.0, batch_limit_s=0.05)
    with (
        running(gate.served, config) as (where, _),
        client(where) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        assert http.get("/health").json() == {"status": "ok"}
        asked = pool.submit(http.post, CHAT, json=scoring_body(GREY))
        wait_until(lambda: http.get("/health").status_code == 503)
        (thread,) = http.get("/health").json()["threads"]
        assert thread["thread"] == "model"
        assert "model has been stuck for" in thread["what"]
        assert http.get("/ready").json()["problems"] == [http.get("/health").json()["threads"][0]["what"]]
        assert 'saec_cloud_thread_stuck{thread="model"} 1.0' in http.get("/metrics").text
        gate.open.set()
        assert asked.result().status_code == 200
        wait_until(lambda: http.get("/health").status_code == 200)


def test_a_decoder_that_hangs_fails_the_health_though_its_asker_has_gone(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "_DECODING", 0.05)
    gate.open.set()
    entered, release = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        entered.set()
        release.wait(60)
        raise ValueError("no image")

    monkeypatch.setattr(handling, "image_file", hang)
    with running(gate.served) as (where, handler), client(where) as http:
        body = json.dumps(scoring_body(GREY)).encode()
        host = where.removeprefix("http://")
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        with socket.create_connection((http.base_url.host, http.base_url.port), timeout=60) as asker:
            asker.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert entered.wait(60)
        wait_until(lambda: handler.active == 0)
        wait_until(lambda: http.get("/health").status_code == 503)
        assert [t["thread"] for t in http.get("/health").json()["threads"]] == ["decoders"]
        release.set()
        wait_until(lambda: http.get("/health").status_code == 200)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_thread_that_dies_is_missed_and_one_that_was_closed_is_not() -> None:
    def die(group: str, works: object) -> list[int]:
        raise SystemExit

    batcher: Batcher[str, int, int] = Batcher(die, batch=1, delay=0.0, queue=1)
    assert batcher.stuck() is None
    batcher.submit("", 1)
    wait_until(lambda: not batcher.alive)
    found = batcher.stuck()
    assert found is not None
    assert "has ended" in found.what
    closed: Batcher[str, int, int] = Batcher(die, batch=1, delay=0.0, queue=1)
    closed.close(60)
    assert closed.stuck() is None


def test_loading_that_hangs_heeds_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_FAREWELL", 0.01)
    release = threading.Event()

    def hang(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        release.wait(60)

    monkeypatch.setattr(ServedModel, "load", hang)
    config = ServiceConfig(listen="127.0.0.1:0")
    run_service(config, HttpSettings(), lambda: load_engine(config, CloudConfig(model="small")))
    release.set()
