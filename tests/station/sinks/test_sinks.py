"""A verdict is delivered when the other side has it: in order, at least once, under one key."""

from __future__ import annotations

import csv
import errno
import json
import os
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from saec.errors import ConfigError
from saec.station.audit.audit_heads import known_heads
from saec.station.sinks import FileSink, MqttSink, WebhookSink
from saec.station.sinks.mqtt import Mqtt
from saec.station.sinks.verdict_sink import AwayError, RefusedError, VerdictSink
from saec.station.storage.records import AuditHead, Delivery, PartVerdict, PartView
from tests.station.sink_fakes import Broker, Plant, Receiver, deliveries, free_port


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    return Plant(tmp_path_factory.mktemp("plant"))


# files


def test_files_are_one_a_day_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    sink = FileSink(name="s", path=tmp_path / "out").make_sink()
    sink.deliver(deliveries(3))
    first, second = sorted((tmp_path / "out").iterdir())
    assert [json.loads(line)["key"] for line in first.read_text().splitlines()] == [
        "cell-0000000000/final",
        "cell-0000000001/final",
    ]
    second.write_text(second.read_text() + '{"key": "torn')
    sink.deliver(deliveries(1, first=3))
    assert [json.loads(line)["verdict"]["id"][-1] for line in second.read_text().splitlines()] == ["2", "3"]


def test_what_a_failed_group_has_written_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(name="s", path=tmp_path / "out").make_sink()
    sink.deliver(deliveries(1))
    (path,) = (tmp_path / "out").iterdir()
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full)
        with pytest.raises(AwayError, match="No space left"):
            sink.deliver(deliveries(2))
    assert path.read_bytes() == before


def test_the_kind_is_plain_json_to_a_webhook_and_a_broker(receiver: Receiver) -> None:
    (good,) = deliveries(1)
    name = '"},{"<b>\\dent'
    verdict = msgspec.structs.replace(good.verdict, kind=name, kind_confidence=0.5)
    broker = Broker()
    webhook = WebhookSink(name="s", url=receiver.url).make_sink()
    sinks: tuple[VerdictSink, ...] = (
        webhook,
        MqttSink(name="s", host="127.0.0.1", port=broker.port).make_sink(),
    )
    for sink in sinks:
        sink.deliver([msgspec.structs.replace(good, verdict=verdict)])
        sink.close()
    ((*_, posted),), ((topic, published),) = receiver.got, broker.got
    assert topic == "saec/verdicts/cell"
    for message in (posted, published):
        assert (message["verdict"]["kind"], message["verdict"]["kind_confidence"]) == (name, 0.5)
    broker.close()


def test_a_part_s_verdict_says_of_what_it_was_made_under_a_topic_of_its_own(receiver: Receiver) -> None:
    (plain,) = deliveries(1)
    view = PartView(frame="cell-0000000001", source="top", label=0, state="final")
    made = PartVerdict(verdict=plain.verdict, rule="vote", views=(view,), missing=("left",), act=True)
    delivery = msgspec.structs.replace(plain, state="part", part=made)
    broker = Broker()
    webhook = WebhookSink(name="s", url=receiver.url).make_sink()
    mqtt = MqttSink(name="s", host="127.0.0.1", port=broker.port).make_sink()
    for sink in (webhook, mqtt):
        sink.deliver([delivery])
        sink.close()
    ((*_, posted),), ((topic, published),) = receiver.got, broker.got
    assert topic == "saec/verdicts/cell/part"
    for message in (posted, published):
        assert message["key"] == f"{plain.verdict.id}/part"
        assert (message["rule"], message["missing"]) == ("vote", ["left"])
        assert message["views"][0]["source"] == "top"
    broker.close()


def test_a_table_holds_the_kind_and_no_formula(tmp_path: Path) -> None:
    (good,) = deliveries(1)
    verdict = msgspec.structs.replace(good.verdict, kind='=HYPERLINK("x"),\n<b>', kind_confidence=0.5)
    sink = FileSink(name="s", path=tmp_path, format="csv").make_sink()
    sink.deliver([msgspec.structs.replace(good, verdict=verdict), good])
    (path,) = tmp_path.iterdir()
    named, plain = csv.DictReader(path.open(newline=""))
    assert (named["kind"], named["kind_confidence"]) == ('\'=HYPERLINK("x"),\n<b>', "0.5")
    assert (plain["kind"], plain["kind_confidence"]) == ("", "")
    assert plain["act"] in ("0", "1")


@pytest.mark.parametrize("seconds", [9.4e16, float("inf"), float("nan"), -1e18])
def test_a_time_that_is_none_stops_no_verdict(tmp_path: Path, seconds: float) -> None:
    (good,) = deliveries(1)
    verdict = msgspec.structs.replace(good.verdict, time=seconds)
    for kind in ("jsonl", "csv"):
        sink = FileSink(name="s", path=tmp_path, format=kind).make_sink()
        sink.deliver([msgspec.structs.replace(good, verdict=verdict), good])
        names = sorted(path.name for path in tmp_path.glob(f"*.{kind}"))
        assert names == [f"verdicts-1970-01-01.{kind}", f"verdicts-undated.{kind}"]


def test_csv_has_one_header(tmp_path: Path) -> None:
    sink = FileSink(name="s", path=tmp_path, format="csv").make_sink()
    sink.deliver(deliveries(1))
    sink.deliver(deliveries(1, first=1))
    (path,) = tmp_path.iterdir()
    rows = list(csv.DictReader(path.open()))
    assert [(row["id"], row["label"], row["act"]) for row in rows] == [
        ("cell-0000000000", "0", "1"),
        ("cell-0000000001", "0", "1"),
    ]


def test_a_folder_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AwayError, match="file"):
        FileSink(name="s", path=tmp_path / "file" / "x").make_sink().deliver(deliveries(1))


@pytest.mark.parametrize("time", [9.4e16, -9.4e16, 4e11, 1e300, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_stops_nothing(tmp_path: Path, time: float) -> None:
    (delivery,) = deliveries(1)
    strange = msgspec.structs.replace(delivery.verdict, time=time)
    sink = FileSink(name="s", path=tmp_path).make_sink()
    sink.deliver([msgspec.structs.replace(delivery, verdict=strange), delivery])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "verdicts-1970-01-01.jsonl",
        "verdicts-undated.jsonl",
    ]


# webhook


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_webhook_posts_in_order_with_key_and_token(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfsecret\r\n")
    sink = WebhookSink(name="s", url=receiver.url, token_file=tmp_path / "token").make_sink()
    for delivery in deliveries(3):
        sink.deliver([delivery])
    assert [(key, token) for key, token, _ in receiver.got] == [
        (f"cell-000000000{i}/final", "Bearer secret") for i in range(3)
    ]
    sink.close()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, None) for status in (200, 201, 202, 204, 208, 409)),
        *((status, AwayError) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, RefusedError) for status in (301, 307, 400, 401, 403, 404, 405, 410, 413, 415, 422)),
    ],
)
def test_what_a_receiver_answers(receiver: Receiver, status: int, outcome: type[Exception] | None) -> None:
    receiver.status = lambda key: status
    sink = WebhookSink(name="s", url=receiver.url).make_sink()
    if outcome is None:
        sink.deliver(deliveries(1))
    else:
        with pytest.raises(outcome, match=f"127.0.0.1:{receiver.port} answered {status}"):
            sink.deliver(deliveries(1))
    sink.close()


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7.0, 7.0),
        ("soon", 0.0, 0.0),
        ("-3", 0.0, 0.0),
        ("", 0.0, 0.0),
        ("Fri, 31 Dec 2199 23:59:59 GMT", 1e9, 1e10),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0, 0.0),
    ],
)
def test_a_receiver_may_ask_for_a_pause(receiver: Receiver, header: str, low: float, high: float) -> None:
    receiver.status, receiver.headers = (lambda key: 429), {"Retry-After": header}
    sink = WebhookSink(name="s", url=receiver.url).make_sink()
    with pytest.raises(AwayError) as e:
        sink.deliver(deliveries(1))
    assert low <= e.value.wait <= high


def test_why_a_webhook_has_no_connection(plant: Plant) -> None:
    tls, elsewhere, plain = Receiver(plant.server()), Receiver(plant.server("elsewhere")), Receiver()
    wants = Receiver(plant.server(clients=True))
    other = plant.certificate("other")
    refused: tuple[tuple[int, dict[str, Any], str], ...] = (
        (tls.port, {}, "does not trust the CA|no CA that is trusted here knows it"),
        (tls.port, {"ca_file": other}, "does not trust the CA"),
        (elsewhere.port, {"ca_file": plant.ca}, "another host name"),
        (plain.port, {"ca_file": plant.ca}, "does not speak TLS on this port"),
        (wants.port, {"ca_file": plant.ca}, "refuses this client|closed the connection|connection failed"),
        (free_port(), {}, "connection refused"),
    )
    for port, given, what in refused:
        sink = WebhookSink(name="s", url=f"https://localhost:{port}/SECRET?k=t0p", **given).make_sink()
        with pytest.raises(AwayError, match=what) as e:
            sink.deliver(deliveries(1))
        assert "SECRET" not in str(e.value)
        assert "t0p" not in str(e.value)
        sink.close()
    own: dict[str, Any] = {"certificate_file": plant.certificate("client"), "key_file": plant.key("client")}
    for port, given in ((tls.port, {}), (wants.port, own)):
        url = f"https://localhost:{port}/x"
        sink = WebhookSink(name="s", url=url, ca_file=plant.ca, **given).make_sink()
        sink.deliver(deliveries(1))
        sink.close()
    assert (len(tls.got), len(wants.got)) == (1, 1)
    for server in (tls, elsewhere, plain, wants):
        server.close()


def test_a_receiver_that_does_not_answer_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://u:pa55@127.0.0.1:{server.getsockname()[1]}/x"
        sink = WebhookSink(name="s", url=url, timeout_s=0.1).make_sink()
        with pytest.raises(AwayError, match="no answer in time") as e:
            sink.deliver(deliveries(1))
        assert "pa55" not in str(e.value)
        sink.close()


def test_a_secret_or_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "umlaut").write_text("gehäuse", "utf-8")
    for name in ("gone", "empty", "umlaut"):
        with pytest.raises(ConfigError, match=name):
            WebhookSink(name="s", url="https://x/", token_file=tmp_path / name).make_sink()
    for name in ("gone", "empty"):
        with pytest.raises(ConfigError, match=name):
            WebhookSink(name="s", url="https://x/", ca_file=tmp_path / name).make_sink()
        with pytest.raises(ConfigError, match=name):
            MqttSink(name="s", host="x", tls=True, certificate_file=tmp_path / name).make_sink()
        with pytest.raises(ConfigError, match=name):
            MqttSink(name="s", host="x", user="u", password_file=tmp_path / name).make_sink()
    with pytest.raises(ConfigError, match="not an address") as e:
        WebhookSink(name="s", url="http://u:pa55@[::1/x").make_sink()
    assert "pa55" not in str(e.value)


# MQTT


def publish(sink: Mqtt, n: int = 1) -> None:
    for delivery in deliveries(n):
        sink.deliver([delivery])


def test_mqtt_publishes_once_and_in_order() -> None:
    broker = Broker()
    sink = Mqtt(MqttSink(name="s", host="127.0.0.1", port=broker.port))
    publish(sink, 3)
    assert [(topic, m["key"]) for topic, m in broker.got] == [
        ("saec/verdicts/cell", f"cell-000000000{i}/final") for i in range(3)
    ]
    assert broker.connections == 1
    broker.hang_up()
    with sink._link._changed:  # the loss is noted in the pauses of a line
        assert sink._link._changed.wait_for(lambda: sink._link.lost, 10)
    sink.deliver(deliveries(1, first=3))
    assert (len(broker.got), broker.connections) == (4, 2)
    sink.close()
    broker.close()


def test_a_broker_that_acknowledges_nothing_is_not_flooded() -> None:
    broker, now = Broker(silent=True), [0.0]
    sink = Mqtt(MqttSink(name="s", host="127.0.0.1", port=broker.port), lambda: now[0])
    sink._connected()
    sink.timeout = 0.01
    for _ in range(20):
        with pytest.raises(AwayError, match=r"not acknowledged within 0\.01 s"):
            publish(sink)
    now[0] = 61.0
    for _ in range(5):  # the connection is given up, and one more is tried
        with pytest.raises(AwayError):
            publish(sink)
    sink.close()
    broker.settle()
    assert (len(broker.got), broker.connections) == (2, 2)
    broker.close()


def test_an_acknowledgement_that_comes_late_is_heard() -> None:
    broker = Broker(silent=True)
    sink = Mqtt(MqttSink(name="s", host="127.0.0.1", port=broker.port, timeout_s=5.0))
    link = sink._connected()
    with pytest.raises(AwayError):
        link.publish(1, "saec/verdicts/cell", b"{}", 0.0)
    assert link._sent is not None
    link._on_publish(None, None, link._sent[1])
    publish(sink)  # the same of the outbox: it is not sent again
    assert link.silent_for == 0.0
    assert len(broker.got) <= 1
    sink.close()
    broker.close()


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (1, "does not speak MQTT"),
        (2, "client's name"),
        (3, "unavailable"),
        (4, "user or password"),
        (5, "does not let this station in"),
    ],
)
def test_why_a_broker_lets_nobody_in(code: int, what: str) -> None:
    broker = Broker(code)
    sink = Mqtt(MqttSink(name="s", host="127.0.0.1", port=broker.port))
    with pytest.raises(AwayError, match=what) as e:
        publish(sink)
    assert f"mqtt://127.0.0.1:{broker.port}" in e.value.what
    assert e.value.remedy
    sink.close()
    broker.close()


def test_why_there_is_no_broker(plant: Plant) -> None:
    plain, tls, elsewhere = Broker(), Broker(tls=plant.server()), Broker(tls=plant.server("elsewhere"))
    wants = Broker(tls=plant.server(clients=True))
    trusting: dict[str, Any] = {"tls": True, "ca_file": plant.ca}
    given: dict[str, Any]
    for port, given, what in (
        (free_port(), {}, "connection refused"),
        (tls.port, {"tls": True}, "does not trust the CA|no CA that is trusted here knows it"),
        (tls.port, {"tls": True, "ca_file": plant.certificate("other")}, "does not trust the CA"),
        (elsewhere.port, trusting, "another host name"),
        (tls.port, {}, "closed the connection"),
        (plain.port, {**trusting, "timeout_s": 0.5}, "whether it speaks TLS|leave TLS out"),
        (wants.port, trusting, "refuses this client|closed the connection|connection broke"),
    ):
        sink = MqttSink(name="s", host="localhost", port=port, **given).make_sink()
        with pytest.raises(AwayError, match=what):
            sink.deliver(deliveries(1))
        sink.close()
    own: dict[str, Any] = {"certificate_file": plant.certificate("client"), "key_file": plant.key("client")}
    for port, given in ((tls.port, {}), (wants.port, own)):
        sink = MqttSink(name="s", host="localhost", port=port, **trusting, **given).make_sink()
        sink.deliver(deliveries(1))
        sink.close()
    for name in ("x" * 64, "a..b"):
        sink = MqttSink(name="s", host=name, timeout_s=1.0).make_sink()
        with pytest.raises(AwayError):
            sink.deliver(deliveries(1))
    for broker in (plain, tls, elsewhere, wants):
        broker.close()


def mosquitto() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("needs a broker: apt-get install mosquitto")
    return program


class Mosquitto:
    """A real broker: a plain port, one with TLS, and one with TLS and a password."""

    def __init__(self, folder: Path, plant: Plant) -> None:
        self.plain, self.tls, self.closed = free_port(), free_port(), free_port()
        (folder / "passwords").write_text("station:geh3im\n")
        subprocess.run(
            [shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", str(folder / "passwords")],
            check=True,
        )
        files = (
            f"cafile {plant.ca}\ncertfile {plant.certificate('localhost')}\n"
            f"keyfile {plant.key('localhost')}\n"
        )
        (folder / "mosquitto.conf").write_text(
            f"user root\nper_listener_settings true\n"
            f"listener {self.plain} 127.0.0.1\nallow_anonymous true\n"
            f"listener {self.tls} 127.0.0.1\nallow_anonymous true\n{files}"
            f"listener {self.closed} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {folder / 'passwords'}\n{files}"
        )
        self.process = subprocess.Popen(
            [mosquitto(), "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
        )
        tick = threading.Event()
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", self.closed), 1).close()
                return
            except OSError:
                tick.wait(0.01)


@pytest.fixture
def real(tmp_path: Path, plant: Plant) -> Iterator[Mosquitto]:
    mosquitto()
    broker = Mosquitto(tmp_path, plant)
    yield broker
    broker.process.terminate()
    broker.process.wait()


@pytest.mark.acceptance
def test_mqtt_delivers_to_a_real_broker(real: Mosquitto) -> None:
    got: queue.Queue[tuple[str, int, dict[str, Any]]] = queue.Queue()
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda c, *_: c.subscribe("saec/verdicts/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda c, d, m: got.put((m.topic, m.qos, json.loads(m.payload)))
    client.reconnect_delay_set(1, 1)
    client.connect_async("127.0.0.1", real.plain)
    client.loop_start()
    assert subscribed.wait(30)
    sink = MqttSink(name="s", host="127.0.0.1", port=real.plain).make_sink()
    sink.deliver(deliveries(3))
    seen = [got.get(timeout=60) for _ in range(3)]
    assert [(topic, qos, m["key"]) for topic, qos, m in seen] == [
        ("saec/verdicts/cell", 1, f"cell-000000000{i}/final") for i in range(3)
    ]
    sink.close()
    client.disconnect()
    client.loop_stop()


@pytest.mark.acceptance
def test_what_a_real_broker_says_is_understood(real: Mosquitto, plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("falsch")
    (tmp_path / "right").write_bytes(b"\xef\xbb\xbfgeh3im\r\n")
    trusting: dict[str, Any] = {"tls": True, "ca_file": plant.ca}

    def sink_to(port: int, **given: Any) -> tuple[list[Delivery], VerdictSink]:
        settings = MqttSink(name="s", host="localhost", port=port, timeout_s=5.0, **given)
        return deliveries(1), settings.make_sink()

    for port, given, what in (
        (real.tls, {}, "closed the connection|no answer"),
        (real.plain, trusting, "no TLS|closed the connection|no answer"),
        (real.tls, {"tls": True}, "does not trust the CA"),
        (real.closed, trusting, "does not let this station in|user or password"),
        (
            real.closed,
            {**trusting, "user": "station", "password_file": tmp_path / "wrong"},
            "does not let this station in|user or password",
        ),
    ):
        offered, sink = sink_to(port, **given)
        with pytest.raises(AwayError, match=what):
            sink.deliver(offered)
        sink.close()
    for port, given in (
        (real.tls, trusting),
        (real.closed, {**trusting, "user": "station", "password_file": tmp_path / "right"}),
    ):
        offered, sink = sink_to(port, **given)
        sink.deliver(offered)
        sink.close()


def test_every_sink_sends_the_head_of_the_audit(receiver: Receiver, tmp_path: Path) -> None:
    plain, head = deliveries(2)[0], AuditHead(7, "ab" * 32)
    marked = msgspec.structs.replace(plain, audit=head)
    broker = Broker()
    sinks: tuple[VerdictSink, ...] = (
        WebhookSink(name="s", url=receiver.url).make_sink(),
        MqttSink(name="s", host="127.0.0.1", port=broker.port).make_sink(),
        FileSink(name="s", path=tmp_path).make_sink(),
        FileSink(name="s", path=tmp_path, format="csv").make_sink(),
    )
    for sink in sinks:
        sink.deliver([marked])
        sink.close()
    (lines,) = tmp_path.glob("*.jsonl")
    (table,) = tmp_path.glob("*.csv")
    for message in (receiver.got[0][-1], broker.got[0][1], json.loads(lines.read_text())):
        assert message["audit"] == {"n": 7, "hash": "ab" * 32}
        assert message["key"] == f"{plain.verdict.id}/final"
    assert next(csv.DictReader(table.open()))["audit"] == f"7:{'ab' * 32}"
    for path in (lines, table):
        assert known_heads(str(path)) == {7: {"ab" * 32}}
    broker.close()
