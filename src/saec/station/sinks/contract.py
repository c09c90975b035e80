"""What a sink is given and must be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from saec.errors import ConfigError
from saec.station.storage.records import Delivery
from saec.verdict import Verdict


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
