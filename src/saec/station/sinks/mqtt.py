"""An MQTT broker as a sink."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from saec.errors import LinkError
from saec.station.settings import MqttSink
from saec.station.sinks.contract import message, read_secret
from saec.station.storage.records import Delivery


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
