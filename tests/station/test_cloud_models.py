"""A station knows who its cloud is, from the service or from what it said last; other weights are another."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from saec.settings import CloudConfig, RemoteConfig, Spending
from saec.station.cloud_models import CloudModels


class Service:
    """Lists one model, as our own service does."""

    def __init__(self) -> None:
        self.hash = "aa" * 32
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = {
                    "data": [{"id": "m", "saec": {"weights_hash": service.hash, "side": 224, "square": True}}]
                }
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def settings(self) -> CloudConfig:
        url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return CloudConfig(model=url, service_model="m", remote=RemoteConfig(timeout_s=5.0))

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


def test_without_settings_there_is_no_cloud(tmp_path: Path) -> None:
    clouds = CloudModels(None, tmp_path)
    assert clouds(None) == []
    assert clouds.identify() == []


def test_a_cloud_is_known_by_its_weights(service: Service, tmp_path: Path) -> None:
    clouds = CloudModels(service.settings, tmp_path)
    (before,) = clouds(None)
    assert clouds.identify() == ["m"]
    (known,) = clouds(None)
    assert (before.engine.weights_hash, known.engine.weights_hash) == ("", service.hash)
    assert known.key != before.key
    assert known.engine.side == 224
    assert clouds.identify() == []
    assert clouds(None)[0] is known
    service.hash = "bb" * 32
    assert clouds.identify() == ["m"]
    assert clouds(None)[0].key != known.key


def test_what_is_shown_is_part_of_who_it_is(service: Service, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(service.settings, spending=Spending(rule="scene"))
    clouds = CloudModels(settings, tmp_path)
    assert clouds(None)[0].config.spending.rule == "scene"
    assert clouds(None)[0].key != CloudModels(service.settings, tmp_path)(None)[0].key


def test_a_link_that_is_down_leaves_what_was_said_last(service: Service, tmp_path: Path) -> None:
    settings = service.settings
    first = CloudModels(settings, tmp_path)
    key = (first(None), first.identify(), first(None)[0].key)[-1]
    service.stop()
    assert first.identify() == []
    again = CloudModels(settings, tmp_path)
    assert again(None)[0].key == key
    assert CloudModels(settings, tmp_path / "other")(None)[0].key != key
