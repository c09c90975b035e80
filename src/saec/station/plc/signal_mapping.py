"""Where each signal lies at a PLC, and what it holds: the same names and meanings over each way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from saec.errors import MachineError
from saec.station.plc.signal_types import CHECK_VALUE, SignalValue
from saec.station.plc.signals import (
    ChallengeCode,
    ConfidenceClass,
    FaultCode,
    PlcResult,
    PlcSignals,
    ResultLabel,
    StationSignals,
)
from saec.station.section_types import FieldFault, Section
from saec.station.storage.records import LONGEST_PART

BITS = ("ready", "busy", "result_valid", "fault")
"""The station's signals that make its values valid."""

READ_TYPES: Mapping[str, str] = {
    "trigger": "bool",
    "acknowledge": "bool",
    "reset": "bool",
    "heartbeat": "uint16",
    "part": "string32",
    "recipe": "uint16",
    "number": "uint32",
    "challenge": "bool",
    "check": "uint32",
}
"""The PLC's signals and the types that they have where a mapping names none."""

WRITE_TYPES: Mapping[str, str] = {
    **dict.fromkeys(BITS, "bool"),
    "heartbeat": "uint16",
    "code": "uint16",
    "number": "uint32",
    "label": "uint16",
    "confidence": "uint16",
    "kind": "uint16",
    "recipe": "uint16",
    "part": "string32",
    "challenge": "uint16",
    "check": "uint32",
}
"""The station's signals, likewise."""

_NEEDED = {"reads": ("trigger", "acknowledge"), "writes": ("ready", "busy", "result_valid", "fault", "label")}


class PlcAddresses(Section, frozen=True, kw_only=True):
    """The table [plc.reads]: where the PLC's signals lie.

    A signal that is not named here has its way's default. An empty text says that the PLC has none.

    Attributes:
        trigger: Judge the part that is before the camera.
        acknowledge: The result was read.
        reset: Take back a fault.
        heartbeat: Changes while the PLC lives.
        part: Id of the part.
        recipe: Number of the recipe that is wanted; 0 asks for none.
        number: The PLC's own number of the trigger.
        challenge: Asks for a challenge of the line by rising; without a default.
        check: Holds 16909060, which tells a wrong order of words or bytes.
    """

    trigger: str | None = None
    acknowledge: str | None = None
    reset: str | None = None
    heartbeat: str | None = None
    part: str | None = None
    recipe: str | None = None
    number: str | None = None
    challenge: str | None = None
    check: str | None = None


class StationAddresses(Section, frozen=True, kw_only=True):
    """The table [plc.writes]: where the station's signals lie.

    A signal that is not named here has its way's default. An empty text says that it is not written.

    Attributes:
        ready: A trigger would be taken.
        busy: A trigger was taken and has no answer yet.
        result_valid: The result may be read.
        fault: The fault code says why there is no result.
        heartbeat: Rises while the station lives.
        code: The fault code.
        number: Number of the trigger that the answer is for.
        label: 1 is good, 2 is defect.
        confidence: 1 is low, 2 is medium, 3 is high, 0 is unknown.
        kind: Number of the kind of defect in ``kinds``, 0 for none of them.
        recipe: Number of the recipe in force, 0 without one.
        part: Id of the part that the answer is for.
        challenge: The line's challenge: 0 without a result, 1 passed, 2 failed, 3 runs, 4 was interrupted,
            5 failed and stopped the line; without a default.
        check: Holds 16909060, for the PLC to check its order of words and bytes.
    """

    ready: str | None = None
    busy: str | None = None
    result_valid: str | None = None
    fault: str | None = None
    heartbeat: str | None = None
    code: str | None = None
    number: str | None = None
    label: str | None = None
    confidence: str | None = None
    kind: str | None = None
    recipe: str | None = None
    part: str | None = None
    challenge: str | None = None
    check: str | None = None


def mapped(table: PlcAddresses | StationAddresses, defaults: Mapping[str, str]) -> dict[str, str]:
    """The addresses of a table's signals by name, without those that it leaves out.

    Args:
        defaults: those of the way; a signal that is missing there is left out unless the table names it.
    """
    told = msgspec.structs.asdict(table)
    found = {name: defaults.get(name, "") if address is None else address for name, address in told.items()}
    return {name: address for name, address in found.items() if address}


def mapping_faults(reads: Mapping[str, str], writes: Mapping[str, str]) -> Iterator[FieldFault]:
    """Signals that a handshake needs and that a mapping lacks, and addresses that are used twice."""
    for key, found in (("reads", reads), ("writes", writes)):
        for name in _NEEDED[key]:
            if name not in found:
                yield key, f"the signal {name} has no address", f"name one in [plc.{key}]"
    places: dict[str, str] = {}
    for key, found in (("reads", reads), ("writes", writes)):
        for name, address in found.items():
            if (other := places.setdefault(address, f"{key}.{name}")) != f"{key}.{name}":
                what = f"{other} and {key}.{name} have one address, {address}"
                yield key, what, "give each signal its own"


def plc_signals(values: Mapping[str, SignalValue], bad: str = "") -> PlcSignals:
    """What a PLC tells, from the values of its signals by name.

    Args:
        bad: what of a value could not be read as its type.
    """
    part = values.get("part", "")
    part = str(part or "") if isinstance(part, int) else part
    if len(part) > LONGEST_PART:
        bad, part = f"the part {part[:20]!r}... has more than {LONGEST_PART} characters", ""
    return PlcSignals(
        trigger=bool(values.get("trigger")),
        acknowledge=bool(values.get("acknowledge")),
        reset=bool(values.get("reset")),
        heartbeat=int(values["heartbeat"]) if "heartbeat" in values else None,
        part=part,
        recipe=int(values.get("recipe") or 0) or None,
        number=int(values.get("number") or 0) or None,
        challenge=bool(values.get("challenge")),
        bad=bad,
    )


def station_values(signals: StationSignals) -> dict[str, SignalValue]:
    """The values of the station's signals by name."""
    result = signals.result
    return {
        "ready": signals.ready,
        "busy": signals.busy,
        "result_valid": signals.result_valid,
        "fault": signals.fault,
        "heartbeat": signals.heartbeat,
        "code": int(signals.code),
        "number": 0 if result is None else result.number,
        "label": 0 if result is None else int(result.label),
        "confidence": 0 if result is None else int(result.confidence),
        "kind": 0 if result is None else result.kind,
        "recipe": signals.recipe or 0,
        "part": "" if result is None else result.part,
        "challenge": int(signals.challenge),
        "check": CHECK_VALUE,
    }


def station_signals(values: Mapping[str, SignalValue]) -> StationSignals:
    """The opposite of ``station_values``, of what stands at a PLC; what is no such value says nothing.

    Raises:
        MachineError: the values cannot be a station's.
    """
    try:
        result = PlcResult(
            number=int(values.get("number", 0)),
            label=ResultLabel(int(values.get("label", 0))),
            confidence=ConfidenceClass(int(values.get("confidence", 0))),
            kind=int(values.get("kind", 0)),
            part=str(values.get("part", "") or ""),
        )
        code = FaultCode(int(values.get("code", 0)))
        challenge = ChallengeCode(int(values.get("challenge", 0)))
    except ValueError as e:
        what = f"the station's signals at the PLC hold what no station has written: {e}"
        raise MachineError(what, "check the mapping, and that nothing else writes there") from e
    return StationSignals(
        **{bit: bool(values.get(bit)) for bit in BITS},
        heartbeat=int(values.get("heartbeat", 0)),
        code=code,
        challenge=challenge,
        result=result,
    )


def ordered_changes(
    before: Mapping[str, SignalValue] | None, after: Mapping[str, SignalValue]
) -> list[dict[str, SignalValue]]:
    """What is to be written, in this order: the values, the bits that rise, the bits that fall.

    Args:
        before: what was written last; None where that is unknown.
    """
    changed = {name: value for name, value in after.items() if before is None or before.get(name) != value}
    values = {name: value for name, value in changed.items() if name not in BITS}
    rising: dict[str, SignalValue] = {name: True for name in BITS if changed.get(name) is True}
    falling: dict[str, SignalValue] = {name: False for name in BITS if changed.get(name) is False}
    return [group for group in (values, rising, falling) if group]


def values_and_bits(groups: Sequence[Mapping[str, SignalValue]]) -> list[dict[str, SignalValue]]:
    """The groups of ``ordered_changes`` where all bits can change at once: the values, then the bits."""
    values: dict[str, SignalValue] = {}
    bits: dict[str, SignalValue] = {}
    for group in groups:
        for name, value in group.items():
            (bits if name in BITS else values)[name] = value
    return [group for group in (values, bits) if group]
