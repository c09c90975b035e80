"""What every [[plc]] has, whichever way it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import msgspec

from saec.station.plc.handshake import HandshakeLimits
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.plc.signals import PlcWay
from saec.station.section_types import FieldFault, Name, Seconds, Section, Share

Role = Literal["client", "server"]
USUAL_ROLE: Role = "client"
"""What a station is to a PLC, over a way that has both."""

Wake = Callable[[], None]
"""Called by a way that learns of changes by itself: its signals are then read at once."""


class PlcSettings(Section, frozen=True, kw_only=True):
    """What every [[plc]] has.

    Attributes:
        name: The PLC's name.
        line: The name of the line that judges its parts.
        source: Who takes the picture for a trigger: the name of a [[source]], or "http:CLIENT" for a client
            of HTTP. Each of its pictures belongs to the oldest trigger that waits.
        answer: What a trigger is answered with: the verdict on its frame, or the one on the part that its
            frame shows (docs/parts.md).
        poll_ms: Milliseconds between two readings of the PLC's signals.
        timeout_s: Seconds to wait for the PLC's answer. Then the connection is made anew.
        picture_s: Seconds from Trigger within which the picture must come. Else the answer is fault 1.
        deadline_s: Seconds from Trigger within which the answer must come. Else the answer is fault 2.
        settle_ms: Milliseconds for which part, recipe and number must stay the same before a trigger is
            taken. 0: in two readings, one right after the other.
        drain_s: Seconds without Ready after a picture that did not come, in which it may still come and is
            refused.
        acknowledge_s: Seconds for which an answer stands without Acknowledge.
        silence_s: Seconds without a change of the PLC's heartbeat, after which the PLC counts as stopped.
        heartbeat_s: Seconds between two changes of the station's heartbeat.
        kinds: Kinds of defects that have a number: the first has 1.
        medium: P(label) from which the confidence is medium.
        high: P(label) from which the confidence is high.
        reads: where the PLC's signals lie.
        writes: where the station's signals lie.
    """

    name: Name
    line: Name
    source: str
    answer: Literal["frame", "part"] = "frame"
    poll_ms: Annotated[float, msgspec.Meta(ge=0.5, le=1000)] = 2.0
    timeout_s: Seconds = 1.0
    picture_s: Seconds = 1.0
    deadline_s: Seconds = 2.0
    settle_ms: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0
    drain_s: Seconds = 1.0
    acknowledge_s: Seconds = 5.0
    silence_s: Seconds = 2.0
    heartbeat_s: Seconds = 0.5
    kinds: list[str] = msgspec.field(default_factory=list)
    medium: Share = 0.8
    high: Share = 0.95
    reads: PlcAddresses = PlcAddresses()
    writes: StationAddresses = StationAddresses()

    def make_way(self, wake: Wake) -> PlcWay:
        """How it is reached; nothing is connected yet.

        Raises:
            ExtraError: what the way needs is not installed.
            ConfigError: a file that it names cannot be used.
        """
        raise NotImplementedError

    def read_places(self) -> dict[str, str]:
        """Where the PLC's signals lie, by name, as a settings file says it."""
        raise NotImplementedError

    def heartbeat_range(self) -> int:
        """Number of the values of the PLC's heartbeat; 0 where it is a bit, or there is none."""
        raise NotImplementedError

    def limits(self) -> HandshakeLimits:
        """How long each side may take."""
        return HandshakeLimits(
            picture=self.picture_s,
            deadline=self.deadline_s,
            acknowledge=self.acknowledge_s,
            stable=self.settle_ms / 1e3,
            silence=self.silence_s,
            heartbeat_range=self.heartbeat_range(),
        )

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say: what contradicts itself, or cannot be meant."""
        if self.picture_s > self.deadline_s:
            yield (
                "picture_s",
                f"picture_s ({self.picture_s:g}) is above deadline_s ({self.deadline_s:g})",
                "the picture must come before the answer: lower picture_s, or raise deadline_s",
            )
        if self.medium > self.high:
            what = f"medium ({self.medium:g}) is above high ({self.high:g})"
            yield "medium", what, "give 0 <= medium <= high <= 1"
