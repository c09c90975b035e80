"""Where verdicts go: a folder of files, a webhook, MQTT. Each at its own pace, each until it has taken them.

A sink is given what the spool's outbox holds for it, in order, and takes all of it or raises. Delivery is at
least once: after a crash the last verdicts may come again, so each carries a key that never changes, the
frame's id and the verdict's state.
"""

from __future__ import annotations

import csv
import io
import os
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from saec.errors import ConfigError, LinkError
from saec.station.records import Delivery
from saec.station.settings import FileSink, MqttSink, Sink, WebhookSink
from saec.verdict import Verdict

CSV_COLUMNS = (
    "key",
    "id",
    "line",
    "time",
    "state",
    "act",
    "label",
    "score",
    "p_defect",
    "decided_by",
    "reason",
    "sha256",
)


class VerdictSink(Protocol):
    """Takes verdicts; called from one thread."""

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take all of them, in order.

        Raises:
            LinkError: the other side cannot be reached or does not take them; they will be offered again.
        """
        ...

    def close(self) -> None: ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is sent.

    Attributes:
        key: the same for every delivery of the same verdict.
        state: "provisional" or "final".
        act: whether the line is to act on it: true for the first verdict on a frame, if it came in time.
    """

    key: str
    state: str
    act: bool
    verdict: Verdict


def message(delivery: Delivery) -> Message:
    """A delivery in the form that sinks are sent."""
    key = f"{delivery.verdict.id}/{delivery.state}"
    return Message(key=key, state=delivery.state, act=delivery.act, verdict=delivery.verdict)


def open_sink(settings: Sink) -> VerdictSink:
    """A sink by its settings; nothing is connected yet.

    Raises:
        ConfigError: a file with a secret cannot be read.
    """
    if isinstance(settings, FileSink):
        return Files(settings)
    if isinstance(settings, WebhookSink):
        return Webhook(settings)
    return Mqtt(settings)


class Files:
    """One file a day, appended and synced; a line is whole or not there."""

    def __init__(self, settings: FileSink) -> None:
        self._settings = settings

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        days: dict[str, list[Message]] = {}
        for item in map(message, deliveries):
            day = time.strftime("%Y-%m-%d", time.gmtime(item.verdict.time))
            days.setdefault(day, []).append(item)
        try:
            self._settings.path.mkdir(parents=True, exist_ok=True)
            for day, items in days.items():
                self._append(self._settings.path / f"verdicts-{day}.{self._settings.format}", items)
        except OSError as e:
            raise LinkError(f"{self._settings.path} cannot be written: {e}", "look at the folder") from e

    def _append(self, path: Path, items: Sequence[Message]) -> None:
        with path.open("ab+") as f:
            _cut_torn_line(f)
            data = self._csv(items, header=f.tell() == 0) if self._settings.format == "csv" else _jsonl(items)
            f.write(data)
            f.flush()
            os.fsync(f.fileno())

    def _csv(self, items: Sequence[Message], *, header: bool) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore")
        if header:
            writer.writeheader()
        for item in items:
            plain = {**msgspec.to_builtins(item.verdict), "key": item.key, "state": item.state}
            writer.writerow({**plain, "act": int(item.act)})
        return text.getvalue().encode()

    def close(self) -> None:
        pass


def _jsonl(items: Sequence[Message]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def _cut_torn_line(f: Any) -> None:
    """Leave the file's position at its end, after a last line that is whole (a power cut may tear one)."""
    end = f.seek(0, os.SEEK_END)
    if end == 0:
        return
    f.seek(-1, os.SEEK_END)
    if f.read(1) == b"\n":
        return
    f.seek(0)
    whole = f.read().rfind(b"\n") + 1
    f.truncate(whole)
    f.seek(0, os.SEEK_END)


class Webhook:
    """POST of one verdict at a time, in order."""

    def __init__(self, settings: WebhookSink) -> None:
        headers = {"Content-Type": "application/json"}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {read_secret(settings.token_file)}"
        self._url = settings.url
        self._client = httpx.Client(headers=headers, timeout=settings.timeout, follow_redirects=False)

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for item in map(message, deliveries):
            body = msgspec.json.encode(item)
            try:
                answer = self._client.post(self._url, content=body, headers={"Idempotency-Key": item.key})
            except httpx.HTTPError as e:
                raise LinkError(f"{self._url}: {e or type(e).__name__}", "look at the receiver") from e
            if not answer.is_success:
                raise LinkError(f"{self._url} answered {answer.status_code}", "look at the receiver")

    def close(self) -> None:
        self._client.close()


class Mqtt:
    """MQTT 3.1.1, quality of service 1: a verdict is delivered when the broker has acknowledged it."""

    def __init__(self, settings: MqttSink) -> None:
        self._settings = settings
        self._connected, self._refused = threading.Event(), ""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", clean_session=True)
        if settings.user is not None:
            secret = None if settings.password_file is None else read_secret(settings.password_file)
            client.username_pw_set(settings.user, secret)
        if settings.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.reconnect_delay_set(1, 30)
        self._client, self._started = client, False

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._refused = str(reason) if reason.is_failure else ""
        if not reason.is_failure:
            self._connected.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._connected.clear()

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        s = self._settings
        where = f"mqtt://{s.host}:{s.port}"
        if not self._started:
            self._client.connect_async(s.host, s.port, keepalive=20)
            self._client.loop_start()
            self._started = True
        if not self._connected.wait(s.timeout):
            raise LinkError(f"{where}: {self._refused or 'no connection'}", "look at the broker")
        for item in map(message, deliveries):
            topic = f"{s.topic}/{item.verdict.line}"
            info = self._client.publish(topic, msgspec.json.encode(item), qos=1)
            try:
                info.wait_for_publish(s.timeout)
            except (RuntimeError, ValueError) as e:
                raise LinkError(f"{where}: {e}", "look at the broker") from e
            if not info.is_published():
                raise LinkError(f"{where}: not acknowledged within {s.timeout:g} s", "look at the broker")

    def close(self) -> None:
        if self._started:
            self._client.disconnect()
            self._client.loop_stop()


def read_secret(path: Path) -> str:
    """A secret from a file of its own.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}", "give a file that holds the secret alone") from e
    if not secret:
        raise ConfigError(f"{path} is empty", "put the secret into it")
    return secret
