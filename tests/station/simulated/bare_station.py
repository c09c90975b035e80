"""A station that is a handshake and a way alone: each part is judged by its id."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import count
from typing import Self

from saec.errors import LinkError, MachineError
from saec.station.plc.handshake import Handshake, HandshakeStep, TriggerNews
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import PlcResult, PlcSignals, ResultLabel


def label_of(part: str) -> ResultLabel:
    """Every third part is a defect."""
    return ResultLabel.DEFECT if int(part[1:]) % 3 == 0 else ResultLabel.GOOD


JUDGING = 0.01
"""Seconds from a trigger to its result."""


class BareStation:
    """Runs in a thread until it is left."""

    def __init__(self, settings: PlcSettings) -> None:
        self.events: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.links_lost = 0
        self._settings, self._numbers = settings, count(1)
        self._way = settings.make_way(lambda: None)
        self._handshake: Handshake | None = None
        self._part, self._begun = "", 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join(30)
        self._way.close()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._way.open()
                    while not self._stopping.is_set():
                        self._look()
                        self._stopping.wait(0.001)
                except (LinkError, MachineError):  # as the real one: again and again
                    self.links_lost += 1
                    self._stopping.wait(0.01)
        except Exception as e:
            self.failure = e

    def _look(self) -> None:
        seen = self._way.read()
        if seen is None:
            return
        if self._handshake is None:
            self._handshake = Handshake(self._settings.limits(), self._numbers.__next__)
            self._use(self._handshake.begin(self._way.standing(), seen, time.monotonic()))
        step = self._step(seen)
        while step.again:
            again = self._way.read()
            step = self._step(seen if again is None else again)
        self._way.write(step.signals)

    def _step(self, seen: PlcSignals) -> HandshakeStep:
        assert self._handshake is not None
        number, news = self._handshake.number, None
        if number is not None and time.monotonic() - self._begun >= JUDGING:
            result = PlcResult(number=number, label=label_of(self._part), part=self._part)
            news = TriggerNews(number=number, pictured=True, result=result)
        step = self._use(self._handshake.step(seen, time.monotonic(), news=news))
        if step.begun is not None:
            self._part, self._begun = seen.part, time.monotonic()
        return step

    def _use(self, step: HandshakeStep) -> HandshakeStep:
        self.events.update(step.events)
        return step
