"""What a PLC and a station tell each other, whichever way it goes."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import msgspec


class FaultCode(IntEnum):
    """Why a trigger has no result, or why the station takes none."""

    NONE = 0
    NO_PICTURE = 1
    """The camera gave no picture in time."""
    NO_RESULT = 2
    """The picture was not judged in time."""
    NOT_JUDGED = 3
    """The picture could not be judged."""
    UNKNOWN_RECIPE = 4
    """The recipe that was asked for is not known here."""
    NOT_READY = 5
    """A trigger came while the station was not ready."""
    INTERRUPTED = 6
    """The station was restarted before the trigger had its result."""
    BAD_SIGNAL = 7
    """A signal of the PLC cannot be what it should be."""
    STOPPED = 8
    """The line is stopped, as by a challenge that it failed."""


class ResultLabel(IntEnum):
    """The label as a PLC reads it; 0 is none, so that a register that was never written says nothing."""

    NONE = 0
    GOOD = 1
    DEFECT = 2


class ConfidenceClass(IntEnum):
    """How sure the result is."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class PlcSignals(msgspec.Struct, frozen=True, kw_only=True):
    """What a PLC tells, read at one moment.

    Attributes:
        trigger: judge the part that is before the camera.
        acknowledge: the result was read.
        reset: take back a fault.
        heartbeat: changes while the PLC lives; None where the mapping has none.
        part: id of the part, "" when unknown.
        recipe: number of the recipe that is wanted; None where the mapping has none.
        number: the PLC's own number of the trigger; None where the mapping has none.
    """

    trigger: bool = False
    acknowledge: bool = False
    reset: bool = False
    heartbeat: int | None = None
    part: str = ""
    recipe: int | None = None
    number: int | None = None


class PlcResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger is answered.

    Attributes:
        number: the trigger's number, the station's own.
        label, confidence: those that the first verdict in time gives.
        kind: number of the kind of defect in the mapping's list, 0 without one.
        part: id of the part, "" when unknown.
    """

    number: int
    label: ResultLabel
    confidence: ConfidenceClass = ConfidenceClass.UNKNOWN
    kind: int = 0
    part: str = ""


class StationSignals(msgspec.Struct, frozen=True, kw_only=True):
    """What a station tells.

    Attributes:
        ready: a trigger would be taken.
        busy: a trigger was taken and has no result yet.
        result_valid: ``result`` may be read; it changes only while this is false.
        fault: ``code`` says why.
        heartbeat: rises while the station lives, and begins again after 65,535.
        recipe: number of the recipe in force; None without recipes.
    """

    ready: bool = False
    busy: bool = False
    result_valid: bool = False
    fault: bool = False
    code: FaultCode = FaultCode.NONE
    heartbeat: int = 0
    recipe: int | None = None
    result: PlcResult | None = None


class PlcWay(Protocol):
    """How a PLC is reached. One thread uses it.

    What cannot be reached raises ``LinkError``; what is there and cannot be right, as a signal of another
    type or a text that is none, raises ``MachineError``.
    """

    def open(self) -> None:
        """Connect, and check that the signals of the mapping are there and of their types."""
        ...

    def read(self) -> PlcSignals:
        """All signals of the PLC, of one moment as far as the protocol has such a thing."""
        ...

    def write(self, signals: StationSignals) -> None:
        """The station's signals: values first, the bits that make them valid last."""
        ...

    def close(self) -> None:
        """Let go; never raises."""
        ...
