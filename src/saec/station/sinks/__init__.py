"""Where verdicts go: a folder of files, a webhook, MQTT. A sink is a file here, and a name in ``AnySink``.

A sink is given what the spool's outbox holds for it, in order, and takes it, is away, or refuses it;
``saec.station.delivery`` does what follows. Delivery is at least once: after a crash the last verdicts may
come again, so each carries a key that never changes, the frame's id and the verdict's state.

To add one: a file here with a ``SinkSettings`` (its keys, its faults, ``make_sink``) and its ``VerdictSink``;
its settings' name in ``AnySink``.
"""

from __future__ import annotations

from saec.station.sinks.files import FileSink
from saec.station.sinks.mqtt import MqttSink
from saec.station.sinks.webhook import WebhookSink

__all__ = ["AnySink", "FileSink", "MqttSink", "WebhookSink"]

AnySink = FileSink | WebhookSink | MqttSink
"""The settings of every kind of sink; the kind is told by its tag (``kind = "files"``)."""
