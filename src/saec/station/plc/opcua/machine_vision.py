"""The station's signals as states and a result in the words of OPC 40100-1 (OPC UA for Machine Vision).

The names are the specification's: the states of its clauses 8.2 and 8.3, the components of ResultType (9.1)
and the values of ResultStateDataType (12.19). Its types, structures, methods and events are not here.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from saec.station.plc.signals import FaultCode, StationSignals


class VisionResultState(IntEnum):
    """How far a result is: the allowed values of ResultStateDataType."""

    UNDEFINED = 0
    COMPLETED = 1
    PROCESSING = 2
    ABORTED = 3
    FAILED = 4


class VisionStates(msgspec.Struct, frozen=True):
    """Where the state machines stand.

    Attributes:
        system: state of VisionStateMachine.
        automatic: state of AutomaticModeStateMachine; "" while the system is not operational.
    """

    system: str
    automatic: str = ""


class VisionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The newest result: components of ResultType, with plain values in place of structures.

    Attributes:
        result_id, job_id: both the trigger's number.
        state: how far it is.
        part_id: "" when unknown.
        recipe_id: number of the recipe in force as a text, "" without recipes.
        content: label, confidence class and number of the kind.
    """

    result_id: str
    job_id: str
    state: VisionResultState
    part_id: str
    recipe_id: str
    content: tuple[int, int, int]


def vision_states(signals: StationSignals | None) -> VisionStates:
    """Where the state machines stand; None is before the station has told anything.

    A job lasts until its answer was acknowledged, since no other one would be taken before.
    """
    if signals is None:
        return VisionStates("Preoperational")
    if signals.code is FaultCode.STOPPED:
        return VisionStates("Halted")
    if signals.busy or signals.result_valid or signals.fault:
        return VisionStates("Operational", "SingleExecution")
    return VisionStates("Operational", "Ready" if signals.ready else "Initialized")


def vision_result(signals: StationSignals) -> VisionResult | None:
    """The result of the trigger that is being answered; None between triggers, when the last stands."""
    answered = signals.result_valid or (signals.fault and not signals.busy)
    result = signals.result
    if result is None or not (signals.busy or answered):
        return None
    state = VisionResultState.PROCESSING
    if answered:
        aborted = signals.code is FaultCode.INTERRUPTED
        failed = VisionResultState.ABORTED if aborted else VisionResultState.FAILED
        state = VisionResultState.COMPLETED if signals.result_valid else failed
    return VisionResult(
        result_id=str(result.number),
        job_id=str(result.number),
        state=state,
        part_id=result.part,
        recipe_id="" if signals.recipe is None else str(signals.recipe),
        content=(int(result.label), int(result.confidence), result.kind),
    )
