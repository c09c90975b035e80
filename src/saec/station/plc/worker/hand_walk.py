"""One handshake with a PLC by hand: each step says what it waits for, each signal is shown as it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from saec.errors import MachineError
from saec.station.plc.handshake import Handshake, HandshakeStep, TriggerNews
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import (
    ConfidenceClass,
    FaultCode,
    PlcResult,
    PlcSignals,
    ResultLabel,
    StationSignals,
)
from saec.station.plc.worker.shown_signals import ShownSignals

HandAnswer = Literal["good", "defect", "fault"]

_PATIENCE = 1e9
"""Seconds for which the walk itself sets no end to a phase."""

_BEAT = 0.5
_RANGE = 65536


class HandWalk:
    """Walks through one handshake; there must be no station that does so beside it.

    Args:
        settings: the PLC's.
        next_number: gives the trigger's number.
        say: told what happens, a line each time.
        step_s: seconds to wait for each step of the PLC.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        settings: PlcSettings,
        next_number: Callable[[], int],
        say: Callable[[str], None],
        *,
        step_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s, self._say, self._wait, self._clock = settings, say, step_s, clock
        self._way = settings.make_way(lambda: None)
        limits = msgspec.structs.replace(
            settings.limits(), picture=_PATIENCE, deadline=_PATIENCE, acknowledge=_PATIENCE
        )
        self._handshake, self._shown = Handshake(limits, next_number), ShownSignals(settings.read_places())
        self._seen, self._begun, self._answered = PlcSignals(), False, False
        self._written: StationSignals | None = None

    def walk(self, answer: HandAnswer) -> None:
        """From the connection to the PLC's last acknowledge.

        Raises:
            LinkError: the PLC cannot be reached.
            MachineError: its signals cannot be used, or a step did not come in time.
        """
        try:
            self._way.open()
            self._say("1. connected; every signal of the mapping is there")
            self._until(lambda step: step.signals.ready, "2. Ready = 1 needs Trigger = 0, Acknowledge = 0")
            self._say("3. waiting for Trigger = 1")
            self._until(lambda step: step.begun is not None, "")
            number = self._handshake.number or 0
            self._say(f"   taken as number {number}: {_told(self._seen)}")
            self._answered = True
            self._until(lambda step: self._handshake.phase == "answered", "", self._news(number, answer))
            self._say(f"4. answered: {answer}; waiting for Acknowledge = 1, then Trigger = Acknowledge = 0")
            self._until(lambda step: step.signals.ready, "")
            self._say("5. the handshake is complete")
            self._way.write(self._handshake.stop(self._clock()).signals)
        finally:
            self._way.close()

    def _until(
        self, done: Callable[[HandshakeStep], bool], what: str, news: TriggerNews | None = None
    ) -> HandshakeStep:
        """Read, step and write as the station does, until something holds."""
        if what:
            self._say(what)
        end = self._clock() + self._wait
        while not done(step := self._turn(news)):
            now = self._clock()
            if step.signals.fault and not self._answered:
                raise MachineError(
                    f"the PLC broke a rule: fault {int(step.signals.code)} ({step.signals.code.name}); "
                    f"{_told(self._seen)}",
                    "see the faults in docs/modbus.md",
                )
            if now > end:
                raise MachineError(
                    f"nothing came within {self._wait:g} s; the PLC tells: {_told(self._seen)}",
                    "check the PLC's program and the mapping",
                )
            if not step.again:
                time.sleep(self._s.poll_ms / 1e3)
        return step

    def _turn(self, news: TriggerNews | None) -> HandshakeStep:
        seen, now = self._way.read(), self._clock()
        for line in self._shown.changes(seen):
            self._say(line)
        if seen is None:  # a server whose PLC has written nothing yet
            return HandshakeStep(signals=StationSignals())
        self._seen = seen
        if self._begun:
            step = self._handshake.step(seen, now, news=news)
        else:
            step, self._begun = self._handshake.begin(self._way.standing(), seen, now), True
        told = msgspec.structs.replace(step.signals, heartbeat=int(now / _BEAT) % _RANGE)
        if self._answered:  # the walk takes no second trigger, so the PLC is not told to give one
            told = msgspec.structs.replace(told, ready=False)
        if told != self._written:
            self._way.write(told)
            self._written = told
        return step

    def _news(self, number: int, answer: HandAnswer) -> TriggerNews:
        if answer == "fault":
            return TriggerNews(number=number, pictured=True, fault=FaultCode.NOT_JUDGED)
        label = ResultLabel.DEFECT if answer == "defect" else ResultLabel.GOOD
        result = PlcResult(number=number, label=label, confidence=ConfidenceClass.HIGH, part=self._seen.part)
        return TriggerNews(number=number, pictured=True, result=result)


def _told(seen: PlcSignals) -> str:
    """What a PLC tells, for people."""
    values = {
        "trigger": int(seen.trigger),
        "acknowledge": int(seen.acknowledge),
        "heartbeat": seen.heartbeat,
        "part": seen.part or None,
        "recipe": seen.recipe,
        "number": seen.number,
    }
    told = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
    return f"{told}; {seen.bad}" if seen.bad else told
