"""A PLC's program and a station's handshake side by side, on a clock of their own and without a wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from saec.station.plc.handshake import Handshake, HandshakeLimits, HandshakeStep, Phase, TriggerNews
from saec.station.plc.signals import ConfidenceClass, PlcResult, PlcSignals, ResultLabel, StationSignals
from saec.station.simulated.plc_program import PlcPhase, PlcProgram


class SignalSample(msgspec.Struct, frozen=True):
    """All signals from a moment on.

    Attributes:
        at: the moment, in seconds.
        plc: the PLC's, without its heartbeat.
        station: the station's.
        step: where the PLC's program stands.
        phase: where the station's handshake stands.
    """

    at: float
    plc: PlcSignals
    station: StationSignals
    step: PlcPhase
    phase: Phase


class DryTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, in seconds.

    Attributes:
        cycle: the time between two scans of the PLC, and between two readings of the station.
        picture: the time from the trigger to the picture; None for a camera that gives none.
        judging: the time from the picture to the verdict.
    """

    cycle: float = 0.002
    picture: float | None = 0.010
    judging: float = 0.020


class DryMachine:
    """Both sides of a handshake, step by step.

    Args:
        plc: the PLC's program.
        limits: the station's.
        times: how long things take.
        label: what is judged of a part, by its id.

    Attributes:
        now: seconds of its clock.
        events: what the handshake counted.
        samples: the signals whenever they changed, but for the heartbeats.
    """

    def __init__(
        self,
        plc: PlcProgram,
        limits: HandshakeLimits,
        times: DryTimes | None = None,
        label: Callable[[str], ResultLabel] = lambda _: ResultLabel.GOOD,
    ) -> None:
        self._plc, self._limits, self._times, self._label = plc, limits, times or DryTimes(), label
        self.now = 0.0
        self.events: Counter[str] = Counter()
        self.samples: list[SignalSample] = []
        self._told, self._station = PlcSignals(), StationSignals()
        self._number = 0
        self._taken: tuple[int, str, float] | None = None
        self._handshake = Handshake(limits, self._next_number)
        self._use(self._handshake.begin(None, self._told, self.now))

    def tick(self) -> None:
        """One cycle of both. While the link is silent, each sees the other as it was."""
        self.now += self._times.cycle
        told = self._plc.scan(self._station, self.now)
        if not self._plc.silent:
            self._told = told
            step = self._look()
            while step.again:
                step = self._look()
        self._keep_sample(told)

    def run(self, longest: float) -> None:
        """Go on until the PLC's parts are done, or for so many seconds."""
        until = self.now + longest
        while not self._plc.ended and self.now < until:
            self.tick()

    def kill_station(self) -> None:
        """The station's process dies, and a new one begins with what stands at the PLC."""
        self._handshake, self._taken = Handshake(self._limits, self._next_number), None
        self._use(self._handshake.begin(self._station, self._told, self.now))

    def _look(self) -> HandshakeStep:
        return self._use(self._handshake.step(self._told, self.now, news=self._news()))

    def _use(self, step: HandshakeStep) -> HandshakeStep:
        self._station = step.signals
        self.events.update(step.events)
        if step.begun is not None:
            self._taken = step.begun, self._told.part, self.now
        return step

    def _news(self) -> TriggerNews | None:
        if self._taken is None or self._times.picture is None:
            return None
        number, part, begun = self._taken
        waited = self.now - begun
        judged = waited >= self._times.picture + self._times.judging
        return TriggerNews(
            number=number,
            pictured=waited >= self._times.picture,
            result=self._result(number, part) if judged else None,
        )

    def _result(self, number: int, part: str) -> PlcResult:
        label, sure = self._label(part), ConfidenceClass.HIGH
        return PlcResult(number=number, label=label, confidence=sure, part=part)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _keep_sample(self, told: PlcSignals) -> None:
        plc = msgspec.structs.replace(told, heartbeat=None)
        now = SignalSample(self.now, plc, self._station, self._plc.phase, self._handshake.phase)
        if not self.samples or msgspec.structs.replace(self.samples[-1], at=self.now) != now:
            self.samples.append(now)
