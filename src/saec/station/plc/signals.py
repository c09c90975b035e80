"""What a PLC and a station tell each other, whichever way it goes."""

from __future__ import annotations

from collections.abc import Mapping
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
    GOLDEN_PART = 9
    """The part is a golden part of a challenge; its result is in the run, and no label is told."""


class ChallengeCode(IntEnum):
    """How the challenge of the line stands."""

    NONE = 0
    PASSED = 1
    FAILED = 2
    RUNNING = 3
    INTERRUPTED = 4
    STOPPED = 5


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
        challenge: asks for a challenge by rising.
        bad: what of part, recipe or number cannot be right, one sentence with the remedy; "" when they can.
            The bits hold all the same.
    """

    trigger: bool = False
    acknowledge: bool = False
    reset: bool = False
    heartbeat: int | None = None
    part: str = ""
    recipe: int | None = None
    number: int | None = None
    challenge: bool = False
    bad: str = ""


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
        result_valid: ``result`` may be read; it does not change while this is true.
        fault: ``code`` says why. While ``busy`` it refuses a second trigger; else it is the answer to the
            trigger whose number ``result`` has.
        code: stands until the next trigger, longer than ``fault``.
        heartbeat: rises while the station lives, and begins again after 65,535.
        recipe: number of the recipe in force; None without recipes.
        challenge: how the line's challenge stands.
        result: the last trigger's; while ``busy`` its number and part with no label, so that a PLC knows
            the number that the answer will have. None before the first.
    """

    ready: bool = False
    busy: bool = False
    result_valid: bool = False
    fault: bool = False
    code: FaultCode = FaultCode.NONE
    heartbeat: int = 0
    recipe: int | None = None
    challenge: ChallengeCode = ChallengeCode.NONE
    result: PlcResult | None = None


class PlcWay(Protocol):
    """How a PLC is reached. One thread uses it; after an error it is closed and opened again.

    What cannot be reached raises ``LinkError``; what is there and cannot be right, as a signal of another
    type, raises ``MachineError``. Each wait for the other side is bounded by the settings' ``timeout_s``.
    """

    def open(self) -> None:
        """Connect, and check that the signals of the mapping are there and of their types.

        Where the mapping has a check value, it is read: it tells a wrong order of words or bytes.
        """
        ...

    def read(self) -> PlcSignals | None:
        """All signals of the PLC, of one moment as far as the protocol has such a thing.

        None where the PLC has told nothing yet, as before its first write where the station is the server.
        """
        ...

    def standing(self) -> StationSignals | None:
        """What the station's signals are at the PLC, as an earlier process has left them.

        None where nobody keeps them, as where the station is the server. Asked once, after the first
        ``open``.
        """
        ...

    def write(self, signals: StationSignals) -> None:
        """The station's signals: first the values, then all bits that change, by one request.

        A process that ends in between so leaves no answer that was never given, and none that is lost. And no
        PLC sees Fault while Busy still stands, which would be the refusal of a second trigger.
        """
        ...

    def refused(self) -> Mapping[str, int]:
        """What clients of the station's own server were refused since the start; empty without a server."""
        ...

    def close(self) -> None:
        """Let go; never raises."""
        ...
