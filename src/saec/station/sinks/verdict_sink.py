"""What a sink is given and must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from saec.errors import LinkError, SaecError
from saec.station.challenge_records import ChallengeRecord
from saec.station.section_types import FieldFault, Name, Section
from saec.station.storage.records import AuditHead, Delivery, PartView
from saec.types import VerdictRecord


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


class SinkSettings(Section, frozen=True, kw_only=True):
    """What every [[sink]], a receiver of verdicts, has.

    Attributes:
        name: The sink's name.
        attempts: Offers of a verdict that the receiver refuses, before the verdict becomes a dead letter.
        overflow: What happens when the backlog is long (``keep``, ``keep_hours``). "block" keeps everything
            and raises an alarm. "drop" also deletes the oldest, and counts them.
        keep: The backlog is long when more verdicts than this wait. As many dead letters are kept.
        keep_hours: The backlog is long when a verdict waits for more hours than this.
        late_s: The station is not ready when verdicts wait and none was taken for so many seconds.
    """

    name: Name
    attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    overflow: Literal["block", "drop"] = "block"
    keep: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    keep_hours: Annotated[float, msgspec.Meta(gt=0)] = 168.0
    late_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0

    def make_sink(self) -> VerdictSink:
        """The sink; nothing is connected yet.

        Raises:
            ConfigError: a file with a secret or with certificates cannot be used, or an address is none.
        """
        raise NotImplementedError

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say: what contradicts itself, or cannot be meant."""
        yield from ()

    def output(self) -> tuple[Path, str] | None:
        """The folder that it writes to, and the form of the files; None where it writes none."""
        return None


class SinkMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is sent.

    Attributes:
        key: the same for every delivery of the same verdict.
        state: "provisional" or "final"; "part" for the one verdict on a part of several frames; "challenge"
            for the result of a challenge, which has no verdict.
        act: whether the line is to act on it: true for the first verdict on a frame, if it came in time. Of
            frames whose part gets a verdict it is true for the part's alone.
        audit: the last row of the station's record of actions when the verdict was first sent: ``n`` and
            ``hash``. Who keeps it can show later that no row up to it was changed. It is no part of the key.
        rule, views, missing: how a part's verdict was made, of which frames, and which were missing; only
            there for a part.
        challenge: the run of golden parts; only there for a challenge.
    """

    key: str
    state: str
    act: bool
    verdict: VerdictRecord | msgspec.UnsetType
    audit: AuditHead | None = None
    rule: str | msgspec.UnsetType = msgspec.UNSET
    views: tuple[PartView, ...] | msgspec.UnsetType = msgspec.UNSET
    missing: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    challenge: ChallengeRecord | msgspec.UnsetType = msgspec.UNSET


def sink_message(delivery: Delivery) -> SinkMessage:
    """A delivery in the form that sinks are sent."""
    if (run := delivery.challenge) is not None:
        return SinkMessage(
            key=run.id,
            state="challenge",
            act=False,
            verdict=msgspec.UNSET,
            audit=delivery.audit,
            challenge=run,
        )
    key = f"{delivery.verdict.id}/{delivery.state}"
    message = SinkMessage(
        key=key, state=delivery.state, act=delivery.act, verdict=delivery.verdict, audit=delivery.audit
    )
    if (part := delivery.part) is None:
        return message
    return msgspec.structs.replace(message, rule=part.rule, views=part.views, missing=part.missing)
