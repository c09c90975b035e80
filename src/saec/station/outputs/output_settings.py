"""The sections [[output]] and [[input]]: what a digital output does, and what a digital input tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from saec.station.outputs.pulse_schedule import PulseRule
from saec.station.section_types import FieldFault, Name, Seconds, Section

OfPart = Literal["defect", "good", "error"]
OfStation = Literal["ready", "fault", "heartbeat", "challenge-failed", "challenge-passed"]

OF_PARTS = ("defect", "good", "error")
"""What an output pulses for: the verdict on a part."""

Counts = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Debounce = Annotated[float, msgspec.Meta(ge=0, le=10)]


class OutputSettings(Section, frozen=True, kw_only=True):
    """A section [[output]]: a digital output (docs/outputs.md). It pulses for parts, or shows a state.

    Attributes:
        name: The output's name.
        coupler: The name of its [[coupler]].
        address: Where it is: for Modbus a coil such as "c0" or a bit such as "h100.3", for GPIO the number or
            the name of a line.
        on: What it pulses for: "defect", "good", "error" (no label), or several of them. Or what it shows:
            "ready" (on while the station is ready), "fault" (on while it is not) or "heartbeat". Or
            "challenge-failed" (on from a failed challenge until one passes or is overridden), or
            "challenge-passed" (on while the last challenge passed).
        line: The name of the line whose parts, or whose challenge, it is for. Without it a challenge output
            is for all lines: one failed, or all passed.
        source: Only parts of this source.
        delay_s: Seconds from the trigger of a part to its pulse. Without a delay it pulses once the verdict
            is known.
        delay_counts: The same in counts of the encoder.
        encoder: The name of the [[input]] that counts them.
        running: The name of an [[input]] of use "running". Then delay_s counts only the seconds in which the
            line runs.
        pulse_s: Length of a pulse in seconds. Pulses that overlap become one.
        verdict_s: Without a delay: seconds from the trigger after which a part without a verdict is late.
        tolerance_s: Seconds by which a pulse may begin late. Else it does not, as it would hit another part.
        tolerance_counts: The same in counts.
        late: What to do for a part without a verdict at its pulse. Default: "actuate" where it is on for
            defect or error, else "skip".
        safe: The fail-safe state, at the start, at the end and when the station is stuck.
        inverted: On is the low level.
        heartbeat_s: Seconds between two changes of a heartbeat.
    """

    name: Name
    coupler: Name
    address: str
    on: list[OfPart | OfStation]
    line: str = ""
    source: str = ""
    delay_s: Seconds | None = None
    delay_counts: Counts | None = None
    encoder: str = ""
    running: str = ""
    pulse_s: Seconds = 0.1
    verdict_s: Seconds = 2.0
    tolerance_s: Seconds = 0.05
    tolerance_counts: Counts = 10
    late: Literal["actuate", "skip"] | None = None
    safe: Literal["off", "on"] = "off"
    inverted: bool = False
    heartbeat_s: Seconds = 0.5

    @property
    def for_parts(self) -> bool:
        """Whether it pulses for parts; else it shows a state of the station."""
        return bool(self.on) and self.on[0] in OF_PARTS

    @property
    def on_late(self) -> bool:
        """Whether it pulses for a part without a verdict at its point."""
        return self.late == "actuate" if self.late is not None else "good" not in self.on

    def rule(self) -> PulseRule:
        """How it acts on parts."""
        counts = self.delay_counts is not None
        return PulseRule(
            delay=self.delay_counts if counts else self.delay_s,
            patience=self.verdict_s,
            tolerance=self.tolerance_counts if counts else self.tolerance_s,
            pulse=self.pulse_s,
            late=self.on_late,
        )

    def level(self, on: bool) -> bool:
        """Whether its voltage is high when it is on, or off."""
        return on is not self.inverted

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say."""
        if not self.on:
            yield "on", "on is empty", 'name what it is for, as on = ["defect", "error"]'
            return
        if len(self.on) != 1 and not set(self.on) <= set(OF_PARTS):
            what = f"an output cannot be on for {' and '.join(self.on)}"
            yield "on", what, "use defect, good and error together, or one of the others alone"
            return
        if self.for_parts and not self.line:
            yield "line", f"the output {self.name} has no line", "name the [[line]] whose parts it is for"
        if self.delay_s is not None and self.delay_counts is not None:
            yield "delay_counts", "there are two delays", "keep delay_s or delay_counts"
        if (self.delay_counts is None) == bool(self.encoder):
            what = "a delay in counts and an encoder need each other"
            yield "encoder", what, "set delay_counts and encoder, or neither"
        if self.running and self.delay_s is None:
            yield "running", "running counts the seconds of delay_s, which is missing", "set delay_s"


class InputSettings(Section, frozen=True, kw_only=True):
    """A section [[input]]: a digital input, or a counter of a coupler (docs/outputs.md).

    Attributes:
        name: The input's name.
        coupler: The name of its [[coupler]].
        address: Where it is: for Modbus an input such as "d0", a coil, or a bit such as "i4.0"; for an
            encoder a register with its type, as "i10:uint32". For GPIO the number or the name of a line.
        use: "trigger": a part has come, and the source takes its picture. "encoder": counts how far the line
            has moved. "running": on while the line runs.
        line: The name of the line that judges the parts of a trigger.
        source: Who takes the picture for a trigger: the name of a [[source]], or "http:CLIENT" for a client
            of HTTP.
        picture_s: Seconds from a trigger within which its picture must come. Else an alarm says so.
        debounce_s: Seconds for which a level must stand to count. 0 takes each. Default: 0 for an encoder,
            else 0.005.
        inverted: On is the low level.
        most_counts: Counts of an encoder between two readings, beyond which it has not moved but jumped.
    """

    name: Name
    coupler: Name
    address: str
    use: Literal["trigger", "encoder", "running"]
    line: str = ""
    source: str = ""
    picture_s: Seconds = 1.0
    debounce_s: Debounce | None = None
    inverted: bool = False
    most_counts: Counts = 1000

    @property
    def debounce(self) -> float:
        """Seconds for which a level must stand."""
        if self.debounce_s is not None:
            return self.debounce_s
        return 0.0 if self.use == "encoder" else 0.005

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say."""
        if self.use == "trigger":
            for key, value in (("line", self.line), ("source", self.source)):
                if not value:
                    what = f"the trigger {self.name} has no {key}"
                    yield key, what, f"name the [[{key}]] that its parts are for"
        elif self.line or self.source:
            key = "line" if self.line else "source"
            yield key, f"an input of use {self.use} has no {key}", f"remove {key}"
