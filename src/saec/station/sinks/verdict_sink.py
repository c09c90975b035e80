"""What a sink is given and must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from saec.errors import LinkError, SaecError
from saec.station.storage.records import Delivery
from saec.types import Verdict


class AwayError(LinkError):
    """The other side cannot be reached, or takes nothing for now: everything waits, in order.

    Attributes:
        wait: seconds for which the other side asks not to be asked again; 0 where it says nothing.
    """

    def __init__(self, what: str, remedy: str = "", wait: float = 0.0) -> None:
        super().__init__(what, remedy)
        self.wait = wait


class RefusedError(SaecError):
    """The other side is there and does not take what it was offered."""


class VerdictSink(Protocol):
    """Takes verdicts; called from one thread.

    Attributes:
        at_once: how many it is offered at once; it takes all of them or raises.
        timeout: seconds for which one offer may take, about.
    """

    at_once: int
    timeout: float

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take all of them, in order.

        Raises:
            AwayError: the other side is away or overloaded; they will be offered again, as they are.
            RefusedError: it refuses what it was offered.
        """
        ...

    def close(self) -> None: ...


class SinkMessage(msgspec.Struct, frozen=True, kw_only=True):
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


def sink_message(delivery: Delivery) -> SinkMessage:
    """A delivery in the form that sinks are sent."""
    key = f"{delivery.verdict.id}/{delivery.state}"
    return SinkMessage(key=key, state=delivery.state, act=delivery.act, verdict=delivery.verdict)
