"""The thread of a simulated PLC: read, scan, write, again and again."""

from __future__ import annotations

import threading
import time
from typing import Self

from saec.errors import MachineError
from saec.station.plc.signals import PlcSignals
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcProgram

_END = 30.0
"""Seconds within which a thread that is told to end does."""


class PlcCycle:
    """Runs a PLC's program over a wire, in a thread of its own, until its parts are done or it is closed.

    Args:
        peer: the wire; it is closed with this.
        program: what it does.
        cycle: seconds between two scans.

    Attributes:
        program: what it does.
        failure: what ended the thread before its time, None so far.
    """

    def __init__(self, peer: PlcPeer, program: PlcProgram, cycle: float = 0.002) -> None:
        self.program, self.failure = program, None
        self._peer, self._cycle = peer, cycle
        self._stopping, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated-plc", daemon=True)
        self._thread.start()

    failure: Exception | None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def wait(self, seconds: float) -> bool:
        """Wait until all parts had their answers; whether they had.

        Raises:
            MachineError: the thread has failed.
        """
        ended = self._done.wait(seconds)
        if self.failure is not None:
            raise MachineError(f"the simulated PLC has failed: {self.failure}", "") from self.failure
        return ended

    def close(self) -> None:
        """End the thread and close the wire."""
        self._stopping.set()
        self._thread.join(_END)
        self._peer.close()

    def _run(self) -> None:
        try:
            self._scan_on()
        except Exception as e:
            self.failure = e
        self._done.set()

    def _scan_on(self) -> None:
        told, silent = PlcSignals(), False
        self._peer.write(told)
        while not self._stopping.is_set() and not self.program.ended:
            now = self.program.scan(self._peer.read(), time.perf_counter())
            if now != told:
                self._peer.write(now)
                told = now
            if self.program.silent != silent:
                silent = self.program.silent
                self._peer.silence(silent)
            self._stopping.wait(self._cycle)
