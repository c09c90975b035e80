"""A sink and a source of another file need their settings in the union, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from saec.station.sinks import AnySink
from saec.station.sinks.verdict_sink import SinkSettings
from saec.station.sources import AnySource
from saec.station.sources.frame_source import SourceHooks, SourceSettings
from saec.station.storage.records import Delivery
from saec.station.threads import Stopping


class MemorySink(SinkSettings, frozen=True, kw_only=True, tag_field="kind", tag="memory"):
    """A sink as a contributor's file would have it."""

    room: int = 10

    def make_sink(self) -> Memory:
        return Memory(self)


class Memory:
    at_once, timeout = 1, 1.0

    def __init__(self, settings: MemorySink) -> None:
        self.room = settings.room

    def deliver(self, deliveries: Sequence[Delivery]) -> None: ...

    def close(self) -> None: ...


class SilentSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="silent"):
    """A source that never has a frame."""

    def make_source(self, hooks: SourceHooks) -> Silent:
        return Silent()


class Silent:
    state = "silent"

    def run(self, stopping: Stopping) -> None: ...


def test_a_sink_is_one_name_in_the_union() -> None:
    section = {"kind": "memory", "name": "m", "room": 3, "attempts": 2}
    settings = msgspec.convert(section, AnySink | MemorySink)  # the line
    assert isinstance(settings, MemorySink)
    assert settings.make_sink().room == 3
    assert list(settings.faults()) == []
    assert settings.output() is None


def test_a_source_is_one_name_in_the_union() -> None:
    section = {"kind": "silent", "name": "s", "line": "cell"}
    settings = msgspec.convert(section, AnySource | SilentSource)  # the line
    assert isinstance(settings, SilentSource)
    assert (settings.watched(), settings.reads(), settings.ends) == (None, None, False)


@pytest.mark.parametrize("kind", ["memory", "silent"])
def test_without_the_line_it_is_unknown(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=kind):
        msgspec.convert(
            {"kind": kind, "name": "x", "line": "cell"}, AnySink if kind == "memory" else AnySource
        )
