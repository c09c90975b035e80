"""Where verdicts go: a folder of files, a webhook, MQTT; one file each.

A sink is given what the spool's outbox holds for it, in order, and takes it, is away, or refuses it;
``saec.station.delivery`` does what follows. Delivery is at least once: after a crash the last verdicts may
come again, so each carries a key that never changes, the frame's id and the verdict's state.

To add one: a class of settings in ``saec.station.setup.station_settings`` that joins ``SinkSettings``; a file
here that satisfies ``VerdictSink``; a case in ``open_sink``. ``saec.station.setup.settings_checks`` tells
what its settings contradict.
"""

from __future__ import annotations

from saec.station.setup.station_settings import FileSink, MqttSink, SinkSettings, WebhookSink
from saec.station.sinks.files import Files
from saec.station.sinks.mqtt import Mqtt
from saec.station.sinks.verdict_sink import VerdictSink
from saec.station.sinks.webhook import Webhook


def open_sink(settings: SinkSettings) -> VerdictSink:
    """A sink by its settings; nothing is connected yet.

    Raises:
        ConfigError: a file with a secret or with certificates cannot be used, or an address is none.
    """
    match settings:
        case FileSink():
            return Files(settings)
        case WebhookSink():
            return Webhook(settings)
        case MqttSink():
            return Mqtt(settings)
