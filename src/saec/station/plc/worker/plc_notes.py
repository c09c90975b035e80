"""What PLCs leave to be written to the disk, by a thread of its own: no trigger waits for it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from saec.station.plc.worker.trigger_numbers import TriggerNumbers
from saec.station.threads import Stopping

_TURN = 0.2
_SPELL = 10.0
"""Seconds in which one kind of alarm about one PLC is raised once."""

RaiseAlarm = Callable[[str, str, str], None]
"""Told the kind, the text and the PLC's name."""


class PlcNotes:
    """Alarms of all PLCs, and the numbers of their triggers.

    Args:
        alarm: raises an alarm.
    """

    def __init__(self, alarm: RaiseAlarm) -> None:
        self._raise = alarm
        self._queue: queue.SimpleQueue[tuple[str, str, str, str]] = queue.SimpleQueue()
        self._numbers: list[TriggerNumbers] = []
        self._raised: dict[tuple[str, str], float] = {}

    def keep(self, numbers: TriggerNumbers) -> None:
        """Reserve numbers for a PLC from now on."""
        self._numbers.append(numbers)

    def alarm(self, plc: str, kind: str, what: str, text: str) -> None:
        """Raise an alarm soon; one of the same ``what`` only once in a spell."""
        self._queue.put((plc, kind, what, text))

    def run(self, stopping: Stopping) -> None:
        """A thread's body."""
        while not stopping.is_set():
            for numbers in self._numbers:
                numbers.reserve()
            self.write()
            stopping.wait(_TURN)
        self.write()

    def write(self) -> None:
        """Raise the alarms that wait."""
        while not self._queue.empty():
            plc, kind, what, text = self._queue.get()
            now = time.monotonic()
            if now - self._raised.get((plc, what), -_SPELL) >= _SPELL:
                self._raised[plc, what] = now
                self._raise(kind, text, plc)
