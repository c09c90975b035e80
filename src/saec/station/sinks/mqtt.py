"""An MQTT broker as a sink."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from saec.connecting import client_context, why
from saec.station.section_types import FieldFault
from saec.station.sinks.network_sink import NetworkSink
from saec.station.sinks.verdict_sink import AwayError, sink_message
from saec.station.storage.records import Delivery
from saec.texts import read_secret
from saec.web.addresses import is_loopback

_SILENT = 60.0
"""Seconds, and at least ten time-outs, after which a broker that acknowledges nothing is connected to anew:
only then may a publication be sent again."""

_FAREWELL = 0.5
"""Seconds for a broker to be told goodbye."""

_LOOK_AT_PORT = "check the port, and whether it speaks TLS"

_REFUSALS = {
    "Unsupported protocol version": ("it does not speak MQTT 3.1.1", "allow that version at the broker"),
    "Client identifier not valid": ("it refuses the client's name", "allow names such as saec-0123456789ab"),
    "Server unavailable": ("it says that it is unavailable", "check the broker"),
    "Bad user name or password": ("it refuses user or password", "check user and password_file"),
    "Not authorized": ("it does not let this station in", "check user and password_file"),
}


class MqttSink(NetworkSink, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """A [[sink]] of kind "mqtt": each verdict as JSON to the topic TOPIC/LINE, by MQTT 3.1.1, QoS 1.

    The verdict on a part goes to TOPIC/LINE/part, the result of a challenge to TOPIC/LINE/challenge.

    Attributes:
        host: The broker's name or address.
        port: The broker's port.
        topic: The beginning of the topic, without wildcards. The line's name is appended.
        user: User name at the broker. It needs ``tls``, except to this machine.
        password_file: A file with the user's password.
        tls: Connect by TLS. The files with certificates need it.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    topic: str = "saec/verdicts"
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False

    def make_sink(self) -> Mqtt:
        return Mqtt(self)

    def faults(self) -> Iterator[FieldFault]:
        if not self.host or not re.fullmatch(r"[\w.:-]+", self.host):
            yield (
                "host",
                f"{self.host[:80]!r} is not a host name or an address",
                "give only the name or the address, without a port",
            )
        if not self.topic or any(sign in self.topic for sign in "#+\0") or len(self.topic.encode()) > 60_000:
            yield (
                "topic",
                f"the topic {self.topic[:80]!r} is empty or has the wildcards # or +",
                "give a topic without # and +",
            )
        if self.password_file is not None and self.user is None:
            yield "password_file", "there is a password, but no user", "set user"
        if self.user is not None and not self.tls and not is_loopback(self.host):
            yield (
                "user",
                f"user and password would travel unencrypted to {self.host}",
                "set tls = true, and the broker's TLS port",
            )
        if not self.tls:
            yield from self.without_tls("tls is off")
        yield from self.lone_key()


class Mqtt:
    """MQTT 3.1.1, quality of service 1: a verdict is delivered when the broker has acknowledged it.

    Args:
        steady: seconds by a clock that is never set.
    """

    at_once = 1

    def __init__(self, settings: MqttSink, steady: Callable[[], float] = time.monotonic) -> None:
        s = settings
        self.timeout, self._settings, self._steady = s.timeout_s, s, steady
        self._where = f"mqtt{'s' if s.tls else ''}://{s.host}:{s.port}"
        self._secret = None if s.password_file is None else read_secret(s.password_file)
        self._tls = client_context(s.ca_file, s.certificate_file, s.key_file) if s.tls else None
        self._link: _Link | None = None

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            item = sink_message(delivery)
            link = self._connected()
            below = f"/{item.state}" if item.state in ("part", "challenge") else ""
            topic = f"{self._settings.topic}/{delivery.verdict.line}{below}"
            try:
                link.publish(delivery.n, topic, msgspec.json.encode(item), self.timeout)
            except AwayError as e:
                if link.lost or link.silent_for > max(_SILENT, 10 * self.timeout):
                    self.close()
                raise AwayError(f"{self._where}: {e.what}", e.remedy) from e

    def _connected(self) -> _Link:
        """The connection, made anew where it was lost."""
        if self._link is not None and not self._link.lost:
            return self._link
        self.close()
        try:
            self._link = _Link(self._client(), self._settings, self._steady)
        except AwayError as e:
            raise AwayError(f"{self._where}: {e.what}", e.remedy) from e
        except (OSError, ValueError) as e:  # ValueError: of a name that cannot be one
            what, remedy = why(e)
            if self._tls is not None and isinstance(e, TimeoutError):  # a plain port waits for more
                remedy = _LOOK_AT_PORT
            raise AwayError(f"{self._where}: {what}", remedy) from e
        return self._link

    def _client(self) -> paho.Client:
        # A name for this connection alone: nothing is kept for it, and some brokers let in no one without.
        name = f"saec-{uuid.uuid4().hex[:12]}"
        client = paho.Client(CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
        client.connect_timeout = self.timeout
        if self._settings.user is not None:
            client.username_pw_set(self._settings.user, self._secret)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class _Link:
    """One connection to a broker; never made again by itself, so that nothing is sent again unasked.

    Raises:
        OSError: there is none.
        AwayError: the broker does not let this client in.
    """

    def __init__(self, client: paho.Client, settings: MqttSink, steady: Callable[[], float]) -> None:
        self._client, self._steady = client, steady
        self._changed = threading.Condition()
        self._refusal: str | None = None  # "" once the broker has let us in
        self._over = False
        self._acknowledged: set[int] = set()
        self._sent: tuple[int, int, float] | None = None  # of the outbox, of the packet, and when
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = self._on_publish
        client.connect(settings.host, settings.port, keepalive=20)
        client.loop_start()
        try:
            self._be_let_in(settings.timeout_s)
        except AwayError:
            self.close()
            raise

    @property
    def lost(self) -> bool:
        return self._over

    @property
    def silent_for(self) -> float:
        """Seconds for which an acknowledgement is awaited."""
        return 0.0 if self._sent is None else self._steady() - self._sent[2]

    def publish(self, n: int, topic: str, data: bytes, seconds: float) -> None:
        """Publish a verdict once, and wait for the acknowledgement; called again, wait for it again.

        Raises:
            AwayError: it did not come.
        """
        if self._sent is None or self._sent[0] != n:
            info = self._client.publish(topic, data, qos=1)
            self._sent = n, info.mid, self._steady()
        mid = self._sent[1]
        with self._changed:
            self._changed.wait_for(lambda: self._over or mid in self._acknowledged, seconds)
            if mid not in self._acknowledged:
                if self._over:
                    raise AwayError("the connection broke", "check the broker and its log")
                raise AwayError(f"not acknowledged within {seconds:g} s", "check the broker")
            self._acknowledged.clear()
        self._sent = None

    def close(self) -> None:
        """Say goodbye, then hang up, so that a broker that does not read holds nobody up."""
        raw: Any = self._client.socket()
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self._over, _FAREWELL)
        if raw is not None:
            with contextlib.suppress(OSError, ssl.SSLError):
                raw.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def _be_let_in(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._refusal is not None, seconds)
            refusal, over = self._refusal, self._over
        if refusal:
            what, remedy = _REFUSALS.get(refusal, (f"it refuses: {refusal}", "check the broker's log"))
            raise AwayError(what, remedy)
        if over:
            what = "it closed the connection without an answer"
            raise AwayError(what, _LOOK_AT_PORT)
        if refusal is None:
            raise AwayError(f"no answer within {seconds:g} s", _LOOK_AT_PORT)

    # called by paho's thread

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            self._refusal = str(reason) if reason.is_failure else ""
            self._changed.notify_all()

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, *_: Any) -> None:
        with self._changed:
            if self._refusal is None and str(reason) == "Protocol error":  # what paho tells of an odd answer
                self._refusal = "Unsupported protocol version"
            self._over = True
            self._changed.notify_all()

    def _on_publish(self, client: Any, data: Any, mid: int, *_: Any) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()
