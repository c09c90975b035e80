from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from saec.cloud.remote.model_list import introduced
from saec.errors import AnswerError, ConfigError, LinkError
from saec.frame.cloud_services import with_service
from saec.settings import CloudConfig, ModelCard, RemoteConfig


@contextmanager
def _listing(answer: object) -> Iterator[RemoteConfig]:
    """A server that lists its models so, whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield RemoteConfig(url=f"http://127.0.0.1:{server.server_port}/v1", retries=0)
        finally:
            server.shutdown()
            thread.join()


def test_another_server_than_ours_tells_names_alone() -> None:
    with _listing({"object": "list", "data": [{"id": "qwen", "owned_by": "vllm"}]}) as remote:
        assert introduced(remote, None) == ("qwen", remote)
        assert introduced(remote, "qwen") == ("qwen", remote)
        with pytest.raises(ConfigError, match="no model small"):
            introduced(remote, "small")


def test_each_address_that_fails_is_named_with_its_fault() -> None:
    remote = RemoteConfig(url="http://127.0.0.1:1/v1,http://127.0.0.1:2/v1")
    with pytest.raises(LinkError) as told:
        introduced(remote, None)
    assert "127.0.0.1:1" in told.value.what
    assert "127.0.0.1:2" in told.value.what
    assert told.value.what.count("connection attempts failed") == 2


@pytest.mark.parametrize("model", ["small,http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1,small"])
def test_a_list_takes_addresses_only(model: str) -> None:
    with pytest.raises(ConfigError, match="small is not an address, and a list of clouds takes"):
        with_service(CloudConfig(model=model))


def test_ours_tells_how_a_model_wants_to_be_asked() -> None:
    told = {"weights_hash": "abc", "side": 224, "square": True, "prompt": "v2", "later": "unknown"}
    with _listing({"data": [{"id": "a"}, {"id": "b", "saec": told}]}) as remote:
        name, found = introduced(remote, "b")
    assert (name, found.weights_hash) == ("b", "abc")
    assert found.card == ModelCard(side=224, square=True, prompt="v2")


def test_a_prompt_that_is_not_known_here_is_refused() -> None:
    answer = {"data": [{"id": "a", "saec": {"prompt": "v99"}}]}
    with _listing(answer) as remote, pytest.raises(ConfigError, match="v99"):
        introduced(remote, None)


@pytest.mark.parametrize("answer", [[], {}, {"data": {}}, {"data": [{}]}, {"data": [{"id": 1}]}, "no"])
def test_what_lists_no_models_is_no_service(
    answer: dict[str, list[dict[str, int]]] | list[Any] | str,
) -> None:
    with _listing(answer) as remote, pytest.raises((LinkError, AnswerError)):
        introduced(remote, None)


def test_no_model_at_all_is_said() -> None:
    with _listing({"data": []}) as remote, pytest.raises(ConfigError, match="no model"):
        introduced(remote, None)
