"""A verdict is delivered when the other side has it: in order, at least once, under one key."""

from __future__ import annotations

import csv
import json
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from saec.errors import ConfigError, LinkError
from saec.station.settings import FileSink, MqttSink, WebhookSink
from saec.station.sinks import open_sink
from saec.station.storage.records import Delivery
from saec.verdict import Verdict


def deliveries(n: int, first: int = 0) -> list[Delivery]:
    return [
        Delivery(
            n=i,
            sink="s",
            attempts=0,
            act=True,
            state="final",
            verdict=Verdict(
                id=f"cell-{i:010d}", path="", sha256="", line="cell", time=86400.0 * (i // 2), label=0
            ),
        )
        for i in range(first, first + n)
    ]


def test_files_are_one_a_day_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    sink = open_sink(FileSink(name="s", path=tmp_path / "out"))
    sink.deliver(deliveries(3))
    first, second = sorted((tmp_path / "out").iterdir())
    assert [json.loads(line)["key"] for line in first.read_text().splitlines()] == [
        "cell-0000000000/final",
        "cell-0000000001/final",
    ]
    second.write_text(second.read_text() + '{"key": "torn')
    sink.deliver(deliveries(1, first=3))
    assert [json.loads(line)["verdict"]["id"][-1] for line in second.read_text().splitlines()] == ["2", "3"]


@pytest.mark.parametrize("seconds", [9.4e16, float("inf"), float("nan"), -1e18])
def test_a_time_that_is_none_stops_no_verdict(tmp_path: Path, seconds: float) -> None:
    (good,) = deliveries(1)
    verdict = msgspec.structs.replace(good.verdict, time=seconds)
    for kind in ("jsonl", "csv"):
        sink = open_sink(FileSink(name="s", path=tmp_path, format=kind))  # type: ignore[arg-type]
        sink.deliver([msgspec.structs.replace(good, verdict=verdict), good])
        names = sorted(path.name for path in tmp_path.glob(f"*.{kind}"))
        assert names == [f"verdicts-1970-01-01.{kind}", f"verdicts-undated.{kind}"]


def test_csv_has_one_header(tmp_path: Path) -> None:
    sink = open_sink(FileSink(name="s", path=tmp_path, format="csv"))
    sink.deliver(deliveries(1))
    sink.deliver(deliveries(1, first=1))
    (path,) = tmp_path.iterdir()
    rows = list(csv.DictReader(path.open()))
    assert [(row["id"], row["label"], row["act"]) for row in rows] == [
        ("cell-0000000000", "0", "1"),
        ("cell-0000000001", "0", "1"),
    ]


def test_a_folder_that_cannot_be_written_keeps_the_deliveries(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match="file"):
        open_sink(FileSink(name="s", path=tmp_path / "file" / "x")).deliver(deliveries(1))


class Receiver:
    """A real HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    key, token = self.headers["Idempotency-Key"], self.headers["Authorization"]
                    receiver.got.append((key, token, json.loads(body)))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/verdicts"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_a_webhook_posts_in_order_with_key_and_token(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    sink = open_sink(WebhookSink(name="s", url=receiver.url, token_file=tmp_path / "token"))
    sink.deliver(deliveries(3))
    assert [(key, token) for key, token, _ in receiver.got] == [
        (f"cell-000000000{i}/final", "Bearer secret") for i in range(3)
    ]
    receiver.status = 503
    with pytest.raises(LinkError, match="503"):
        sink.deliver(deliveries(1))
    receiver.server.shutdown()
    receiver.server.server_close()
    with pytest.raises(LinkError, match=receiver.url):
        sink.deliver(deliveries(1))
    sink.close()


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name, text in (("gone", None), ("empty", "\n")):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name):
            open_sink(WebhookSink(name="s", url="http://x", token_file=tmp_path / name))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    yield port
    process.terminate()
    process.wait()


def test_mqtt_delivers_to_a_real_broker(broker: int) -> None:
    got: queue.Queue[tuple[str, int, dict]] = queue.Queue()
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda c, *_: c.subscribe("saec/verdicts/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda c, d, m: got.put((m.topic, m.qos, json.loads(m.payload)))
    client.reconnect_delay_set(1, 1)
    client.connect_async("127.0.0.1", broker)
    client.loop_start()
    assert subscribed.wait(30)
    sink = open_sink(MqttSink(name="s", host="127.0.0.1", port=broker))
    sink.deliver(deliveries(3))
    seen = [got.get(timeout=10) for _ in range(3)]
    assert [(topic, qos, m["key"]) for topic, qos, m in seen] == [
        ("saec/verdicts/cell", 1, f"cell-000000000{i}/final") for i in range(3)
    ]
    sink.close()
    client.disconnect()
    client.loop_stop()


def test_mqtt_without_a_broker_is_a_link_error() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    sink = open_sink(MqttSink(name="s", host="127.0.0.1", port=port, timeout=0.3))
    with pytest.raises(LinkError, match=str(port)):
        sink.deliver(deliveries(1))
    sink.close()
