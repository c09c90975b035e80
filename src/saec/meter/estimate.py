"""The CPU's energy where no counter can be read: an estimate from CPU time, and labelled as one."""

from __future__ import annotations

import time
from collections.abc import Callable

from saec.errors import ConfigError
from saec.meter.ledger import ESTIMATED
from saec.meter.rapl import CpuEnergy


class EstimatedCpu(CpuEnergy):
    """``idle_w`` watts all the time, and ``busy_w`` more for each CPU that works for the process tree.

    A CPU's power above idle is about proportional to the time in which its cores work, with a constant that
    depends on model, clock and code: state it, or take it from a wall-plug meter.

    Args:
        cpu_seconds: CPU time of the process tree since some moment, user and system.
        busy_w: watts per working core above idle.
        idle_w: watts of the whole package at rest.
        clock: seconds, monotonic.

    Raises:
        ConfigError: watts that are not positive (idle: negative).
    """

    def __init__(
        self,
        cpu_seconds: Callable[[], float],
        busy_w: float,
        idle_w: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not busy_w > 0 or not idle_w >= 0:
            raise ConfigError(
                f"the CPU power {busy_w} W per core and {idle_w} W at rest is not positive",
                "give watts above 0 with --cpu-watts",
            )
        self.idle_w = idle_w
        self._busy_w, self._seconds, self._clock = busy_w, cpu_seconds, clock
        self._last = cpu_seconds()
        self._begin, self._worked = clock(), 0.0
        self.notes = (
            f"{ESTIMATED}, not measured: {idle_w:g} W at rest, and {busy_w:g} W per busy core times the "
            "CPU time of this process and its children",
        )

    def energy_j(self) -> float | None:
        now = self._seconds()
        # A process of the tree that has ended takes its CPU time with it; what it worked stays counted.
        self._worked += max(0.0, now - self._last)
        self._last = now
        return self.idle_w * (self._clock() - self._begin) + self._busy_w * self._worked
