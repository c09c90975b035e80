"""The handshake of a PLC and a station: a state machine without I/O, the same over each way.

1. The station is ready. The PLC sets part and recipe, then Trigger.
2. Ready falls, Busy rises with the trigger's number, and the picture is taken.
3. The result is written; then Busy falls and Result valid rises, or Fault with a code.
4. The PLC has read it: Acknowledge rises, Trigger falls.
5. Result valid falls; Acknowledge falls; Ready rises.

Each rising edge of Trigger while Ready has one answer, a result or a fault, under a number that is never used
again. What the PLC does against the rules withdraws an answer sooner than that it would be another part's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from saec.station.plc.plc_pulse import PlcPulse
from saec.station.plc.signals import FaultCode, PlcResult, PlcSignals, ResultLabel, StationSignals

Phase = Literal["waiting", "ready", "busy", "answered"]
"""Waiting: for Trigger and Acknowledge to be low. Ready: for a trigger. Busy: for its answer. Answered: for
the PLC to acknowledge it."""

HandshakeEvent = Literal[
    "trigger",
    "result",
    "fault",
    "double-trigger",
    "short-trigger",
    "withdrawn",
    "not-acknowledged",
    "plc-restart",
    "plc-silent",
]
"""What is counted. A fault and a result are an answer each; "withdrawn" is an answer that the PLC gave up, or
that it could have taken for another part's."""


class HandshakeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long each side may take, in seconds.

    Attributes:
        picture: the time from Trigger to the picture.
        deadline: the time from Trigger to the answer.
        acknowledge: how long an answer stands unacknowledged.
        release: how long an answer stands after Trigger has fallen without Acknowledge, since the PLC may
            set one before the other.
        stable: how long part, recipe and number must stay the same before a trigger is taken; 0 is in two
            readings.
        settle: the time beyond that within which they must do so.
        silence: the time without another heartbeat after which the PLC counts as stopped.
        heartbeat_range: number of the values of the PLC's heartbeat where it counts up; 0 where it is a bit.
    """

    picture: float = 1.0
    deadline: float = 2.0
    acknowledge: float = 5.0
    release: float = 0.25
    stable: float = 0.0
    settle: float = 0.1
    silence: float = 2.0
    heartbeat_range: int = 0


class TriggerNews(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trigger.

    Attributes:
        number: the trigger's.
        pictured: its picture was taken.
        result: what it is answered, once that is known.
        fault: why it has no result; ``NONE`` so far.
    """

    number: int
    pictured: bool = False
    result: PlcResult | None = None
    fault: FaultCode = FaultCode.NONE


class HandshakeStep(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one reading.

    Attributes:
        signals: what is to be written; without heartbeat and recipe.
        begun: number of the trigger that was taken: its picture is wanted.
        ended: number of the trigger that waits for nothing more.
        events: what is to be counted.
        again: read again at once, not at the next poll.
    """

    signals: StationSignals
    begun: int | None = None
    ended: int | None = None
    events: tuple[HandshakeEvent, ...] = ()
    again: bool = False


_Values = tuple[str, int | None, int | None, str]
"""Part, recipe, the PLC's number, and what cannot be right of them."""


class Handshake:
    """One PLC's handshake.

    Args:
        limits: how long each side may take.
        next_number: gives the number of the next trigger; each once.

    Attributes:
        phase: where it stands.
    """

    def __init__(self, limits: HandshakeLimits, next_number: Callable[[], int]) -> None:
        self._limits, self._next_number = limits, next_number
        self._pulse = PlcPulse(limits.silence, limits.heartbeat_range)
        self.phase: Phase = "waiting"
        self._answer: PlcResult | None = None
        self._code, self._refusing = FaultCode.NONE, False
        self._values: _Values = ("", None, None, "")
        self._settling: tuple[_Values, float, float] | None = None  # since when these, and any
        self._since = 0.0
        self._pictured = self._armed = self._edge_left = False
        self._low_since: float | None = None
        self._high = True  # no edge before Trigger was seen low
        self._begun: int | None = None
        self._ended: int | None = None
        self._events: list[HandshakeEvent] = []
        self._again = False

    @property
    def alive(self) -> bool:
        """Whether the PLC's heartbeat goes on, or it has none."""
        return self._pulse.alive

    @property
    def number(self) -> int | None:
        """Number of the trigger that is under way; None without one."""
        return self._answer.number if self.phase == "busy" and self._answer is not None else None

    def begin(self, standing: StationSignals | None, seen: PlcSignals, now: float) -> HandshakeStep:
        """The first reading of this process.

        An answer that an earlier process gave stands until it is acknowledged. A trigger that it took and did
        not answer, or that came while there was no process, is answered as interrupted. One whose answer was
        withdrawn is not answered again.

        Args:
            standing: the station's signals as they are at the PLC; None where nobody keeps them.
        """
        self._pulse.see(seen.heartbeat, now)
        self._high, self._values = seen.trigger, _values_of(seen)
        held = None if standing is None else standing.result
        if standing is None or held is None or not held.number or standing.ready:
            if seen.trigger and not seen.acknowledge:
                self._refuse(FaultCode.INTERRUPTED, seen, now)
            return self._step(FaultCode.NOT_READY)
        self._answer, self._values = held, (held.part, None, None, "")
        if standing.result_valid or (standing.fault and not standing.busy):
            self._code = standing.code if standing.fault and not standing.result_valid else FaultCode.NONE
            self.phase, self._since, self._armed = "answered", now, True
        elif standing.busy and seen.trigger:
            self._give(FaultCode.INTERRUPTED, None, now)
        return self._step(FaultCode.NOT_READY)

    def step(
        self,
        seen: PlcSignals,
        now: float,
        *,
        able: FaultCode = FaultCode.NONE,
        news: TriggerNews | None = None,
    ) -> HandshakeStep:
        """One reading of the PLC's signals.

        Args:
            seen: what was read.
            now: seconds of a clock that never goes back.
            able: why no trigger can be taken, ``NONE`` when one can.
            news: what is known of the trigger under way.
        """
        edge = seen.trigger and (self._edge_left or not self._high)
        self._high, self._edge_left = seen.trigger, False
        if self._pulse.see(seen.heartbeat, now):
            self._lose("plc-restart", now)
        elif self._pulse.falls_silent(now):
            self._lose("plc-silent", now)
        if not self.alive and able is FaultCode.NONE:
            able = FaultCode.NOT_READY
        phase = self.phase
        if phase == "waiting":
            self._while_waiting(seen, now, edge)
        elif phase == "ready":
            self._while_ready(seen, now, able)
        elif phase == "busy":
            self._while_busy(seen, now, edge, news)
        else:
            self._while_answered(seen, now, edge)
        return self._step(able)

    def resume(self, now: float) -> None:
        """The PLC was away and is read again: it has all its time to acknowledge an answer."""
        if self.phase == "answered":
            self._since, self._low_since = now, None

    def stop(self, now: float) -> HandshakeStep:
        """The station stops: no longer ready, and a trigger under way is answered as interrupted."""
        if self.phase == "busy":
            self._give(FaultCode.INTERRUPTED, None, now)
        return self._step(FaultCode.NOT_READY)

    # the phases

    def _while_waiting(self, seen: PlcSignals, now: float, edge: bool) -> None:
        if edge:
            self._refuse(FaultCode.NOT_READY, seen, now)
        elif not seen.trigger and not seen.acknowledge:
            self.phase = "ready"

    def _while_ready(self, seen: PlcSignals, now: float, able: FaultCode) -> None:
        values = _values_of(seen)
        if not seen.trigger:
            if self._settling is not None:
                self._settling = None
                self._events.append("short-trigger")
            if seen.acknowledge:
                self.phase = "waiting"
        elif self._settling is None:
            self._settling, self._again = (values, now, now), True
        elif values != self._settling[0]:
            since = self._settling[2]
            self._settling = values, now, since
            self._again = now - since <= self._limits.stable + self._limits.settle
            if not self._again:
                self._refuse(FaultCode.BAD_SIGNAL, seen, now)
        elif now - self._settling[1] < self._limits.stable:
            self._again = True
        elif seen.bad:
            self._refuse(FaultCode.BAD_SIGNAL, seen, now)
        elif able is not FaultCode.NONE or seen.acknowledge:
            self._refuse(able or FaultCode.NOT_READY, seen, now)
        else:
            self._take(seen, now)

    def _while_busy(self, seen: PlcSignals, now: float, edge: bool, news: TriggerNews | None) -> None:
        self._refusing = self._refusing and not seen.reset
        self._armed = self._armed or not seen.acknowledge
        if edge or self._is_other(seen):
            self._events.append("double-trigger")
            if not self._is_same(seen):
                self._give(FaultCode.NOT_READY, None, now)
                return
            self._refusing = True
        told = news if news is not None and news.number == self.number else None
        self._pictured = self._pictured or (told is not None and told.pictured)
        waited = now - self._since
        if told is not None and told.fault is not FaultCode.NONE:
            self._settle(told.fault, None, now)
        elif waited > self._limits.deadline:
            self._settle(FaultCode.NO_RESULT if self._pictured else FaultCode.NO_PICTURE, None, now)
        elif told is not None and told.result is not None:
            self._settle(FaultCode.NONE, told.result, now)
        elif not self._pictured and waited > self._limits.picture:
            self._settle(FaultCode.NO_PICTURE, None, now)

    def _while_answered(self, seen: PlcSignals, now: float, edge: bool) -> None:
        taken_back = seen.reset and self._code is not FaultCode.NONE
        if self._armed and (seen.acknowledge or taken_back):
            self.phase = "waiting"
        elif edge or (seen.trigger and self._is_other(seen)):
            self._events += ["double-trigger", "withdrawn"]
            self.phase, self._edge_left = "waiting", True
        elif now - self._since > self._limits.acknowledge:
            self._events.append("not-acknowledged")
            self.phase = "waiting"
        elif seen.trigger:
            self._low_since = None
        elif self._low_since is None:
            self._low_since = now
        elif now - self._low_since > self._limits.release:
            self._events.append("withdrawn")
            self.phase = "waiting"
        self._armed = self._armed or not seen.acknowledge

    # what they do

    def _take(self, seen: PlcSignals, now: float) -> None:
        number = self._next_number()
        self._enter(number, seen, now)
        self.phase, self._begun = "busy", number

    def _refuse(self, code: FaultCode, seen: PlcSignals, now: float) -> None:
        """A trigger that is answered at once, by a fault under a number of its own."""
        self._enter(self._next_number(), seen, now)
        if code is FaultCode.BAD_SIGNAL:  # what cannot be right tells no second trigger either
            self._values = ("", None, None, "")
        self._give(code, None, now)

    def _enter(self, number: int, seen: PlcSignals, now: float) -> None:
        self._answer = PlcResult(number=number, label=ResultLabel.NONE, part=seen.part)
        self._values, self._settling, self._since = _values_of(seen), None, now
        self._pictured, self._refusing, self._armed = False, False, not seen.acknowledge
        self._code = FaultCode.NONE
        self._events.append("trigger")

    def _settle(self, code: FaultCode, result: PlcResult | None, now: float) -> None:
        """The answer is known; it is not given to a PLC that no longer asks."""
        if self._high:
            self._give(code, result, now)
            return
        self._ended, self.phase = self.number, "waiting"
        self._events.append("withdrawn")

    def _give(self, code: FaultCode, result: PlcResult | None, now: float) -> None:
        self._ended = self.number
        self._answer, self._code = result or self._answer, code
        self._events.append("result" if code is FaultCode.NONE else "fault")
        self.phase, self._since, self._low_since, self._refusing = "answered", now, None, False

    def _lose(self, why: HandshakeEvent, now: float) -> None:
        """The PLC was restarted or has stopped: no answer stands that it could take for another part's."""
        self._events.append(why)
        self._settling = None
        if self.phase == "busy":
            self._settle(FaultCode.INTERRUPTED, None, now)
        elif self.phase == "answered":
            self._events.append("withdrawn")
            self.phase = "waiting"

    def _is_other(self, seen: PlcSignals) -> bool:
        """Whether part or number is another than at the trigger; an empty one says nothing."""
        part, _, number, _ = self._values
        other_part = part and seen.part and seen.part != part
        return bool(other_part or (number and seen.number and seen.number != number))

    def _is_same(self, seen: PlcSignals) -> bool:
        """Whether part or number says that it is the trigger's part still."""
        part, _, number, _ = self._values
        return not self._is_other(seen) and bool((part and seen.part) or (number and seen.number))

    def _step(self, able: FaultCode) -> HandshakeStep:
        phase, refusing = self.phase, self._refusing
        answered = phase == "answered"
        fault = (answered and self._code is not FaultCode.NONE) or refusing
        ready = phase == "ready" and able is FaultCode.NONE
        signals = StationSignals(
            ready=ready,
            busy=phase == "busy",
            result_valid=answered and not fault,
            fault=fault,
            code=FaultCode.NOT_READY if refusing else self._code,
            # Without a number a trigger that crossed a falling Ready is known as one that has no answer.
            result=None if phase == "ready" and not ready else self._answer,
        )
        step = HandshakeStep(
            signals=signals,
            begun=self._begun,
            ended=self._ended,
            events=tuple(self._events),
            again=self._again,
        )
        self._begun = self._ended = None
        self._events, self._again = [], False
        return step


def _values_of(seen: PlcSignals) -> _Values:
    return seen.part, seen.recipe, seen.number, seen.bad
