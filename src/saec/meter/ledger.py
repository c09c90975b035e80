"""The bookkeeping: samples of the counters in, one reading per phase out. Pure; no clock, no hardware."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

JOULES_PER_MWH = 3.6
COARSE_S = 10.0
ESTIMATED = "CPU energy is ESTIMATED"
"""How the note of a reading begins whose CPU energy no counter saw."""

OUTSIDE = ""
"""The phase of what lies outside every phase."""


class PhaseReading(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in one phase; None where it was not.

    Attributes:
        phase: "loading", "warm-up", "run", or "" for what lies outside of them.
        wall_s: seconds.
        gpu_util_avg: per cent of time in which a kernel ran.
        gpu_power_avg_w: ``gpu_energy_j / wall_s``, gross.
        gpu_energy_j: energy of the whole device, joules, from its energy counter, idle power included.
        cpu_energy_j: energy of the whole CPU packages, joules, idle power included.
        cpu_memory_avg_gb, cpu_memory_peak_gb: memory of the process tree, 1e9 bytes: mean over time, peak.
        notes: what was not measured and why, and what the figures contain.
    """

    phase: str
    wall_s: float
    gpu_util_avg: float | None = None
    gpu_power_avg_w: float | None = None
    gpu_energy_j: float | None = None
    cpu_energy_j: float | None = None
    cpu_memory_avg_gb: float | None = None
    cpu_memory_peak_gb: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterSample:
    """The counters (joules since some moment) and gauges (per cent, bytes) at one time (seconds)."""

    time: float
    gpu_j: float | None = None
    cpu_j: float | None = None
    gpu_util: float | None = None
    memory: float | None = None


@dataclass(slots=True)
class _Gauge:
    """Average over the time in which the gauge was known."""

    area: float = 0.0
    time: float = 0.0
    peak: float = -math.inf

    def add(self, begin: float | None, end: float | None, seconds: float) -> None:
        known = [value for value in (begin, end) if value is not None]
        if known:
            self.area += seconds * sum(known) / len(known)
            self.time += seconds
            self.peak = max(self.peak, *known)

    @property
    def average(self) -> float | None:
        return self.area / self.time if self.time > 0 else None


@dataclass(slots=True)
class _Totals:
    """Sums over one phase; an energy of which any part is unknown is NaN."""

    wall: float = 0.0
    gpu_j: float = 0.0
    cpu_j: float = 0.0
    util: _Gauge = field(default_factory=_Gauge)
    memory: _Gauge = field(default_factory=_Gauge)

    def add(self, begin: MeterSample, end: MeterSample) -> None:
        seconds = end.time - begin.time
        self.wall += seconds
        self.gpu_j += _spent(begin.gpu_j, end.gpu_j)
        self.cpu_j += _spent(begin.cpu_j, end.cpu_j)
        self.util.add(begin.gpu_util, end.gpu_util, seconds)
        self.memory.add(begin.memory, end.memory, seconds)

    def reading(self, phase: str, notes: tuple[str, ...]) -> PhaseReading:
        gpu_j, wall, memory = _known(self.gpu_j), self.wall, self.memory
        if self.gpu_j == 0:
            notes = (*notes, f"GPU energy over {wall:.2f} s is unknown, because its counter did not change")
        elif gpu_j is not None and wall < COARSE_S:
            notes = (
                *notes,
                f"GPU energy over {wall:.1f} s is inaccurate, because its counter changes only every 0.1 s",
            )
        return PhaseReading(
            phase=phase,
            wall_s=wall,
            gpu_util_avg=self.util.average,
            gpu_power_avg_w=gpu_j / wall if gpu_j is not None and wall > 0 else None,
            gpu_energy_j=gpu_j,
            cpu_energy_j=_known(self.cpu_j),
            cpu_memory_avg_gb=memory.average / 1e9 if memory.average is not None else None,
            cpu_memory_peak_gb=memory.peak / 1e9 if memory.peak >= 0 else None,
            notes=notes,
        )


class Ledger:
    """Adds up samples by phase.

    Args:
        first: the sample at the start.

    Attributes:
        phase: the phase that the next interval belongs to.
    """

    def __init__(self, first: MeterSample) -> None:
        self.phase = OUTSIDE
        self._last = first
        self._totals: dict[str, _Totals] = {}

    def advance(self, sample: MeterSample, marks: Sequence[tuple[float, str]] = ()) -> None:
        """Book the interval since the last sample.

        Args:
            sample: the counters now.
            marks: (time, phase) of the phases that began in the interval, in order; a mark's counters are
                interpolated between the two samples, and one from outside the interval is moved to its end.
        """
        for time, phase in marks:
            self._book(_between(self._last, sample, min(max(time, self._last.time), sample.time)))
            self.phase = phase
        self._book(sample)

    @property
    def phases(self) -> list[str]:
        """Every phase that took time, in the order of their beginnings."""
        return [phase for phase, totals in self._totals.items() if totals.wall > 0]

    def reading(self, phase: str, notes: tuple[str, ...] = ()) -> PhaseReading:
        """The sums of one phase, all its stretches together; of no length when it never came."""
        return self._totals.get(phase, _Totals(gpu_j=math.nan, cpu_j=math.nan)).reading(phase, notes)

    def _book(self, sample: MeterSample) -> None:
        self._totals.setdefault(self.phase, _Totals()).add(self._last, sample)
        self._last = sample


def energy_of(reading: PhaseReading) -> tuple[str, ...]:
    """The devices whose energy is known: "GPU", and "CPU" or "CPU (estimated)"."""
    estimated = any(note.startswith(ESTIMATED) for note in reading.notes)
    parts = {"GPU": reading.gpu_energy_j, "CPU (estimated)" if estimated else "CPU": reading.cpu_energy_j}
    return tuple(name for name, joules in parts.items() if joules is not None)


def energy_per_correct_mwh(reading: PhaseReading, correct: int | None) -> float | None:
    """Milliwatt-hours per correct decision, of what ``energy_of`` names.

    Args:
        reading: the reading of the phase in which the decisions were made.
        correct: number of correct decisions; None when not known.

    Returns:
        None when no energy was measured, or no decision is known to be correct.
    """
    if not correct or not energy_of(reading):
        return None
    joules = (reading.gpu_energy_j or 0.0) + (reading.cpu_energy_j or 0.0)
    return joules / JOULES_PER_MWH / correct


def _spent(begin: float | None, end: float | None) -> float:
    """Joules between two states of a counter; NaN when unknown, or when it went back (driver reloaded)."""
    return end - begin if begin is not None and end is not None and end >= begin else math.nan


def _known(joules: float) -> float | None:
    """None for NaN, and for 0: idle hardware draws power too, so the counter had no time to move."""
    return None if math.isnan(joules) or joules == 0 else joules


def _between(begin: MeterSample, end: MeterSample, time: float) -> MeterSample:
    share = (time - begin.time) / (end.time - begin.time) if end.time > begin.time else 1.0

    def at(a: float | None, b: float | None) -> float | None:
        return a + share * (b - a) if a is not None and b is not None else None

    return MeterSample(time, at(begin.gpu_j, end.gpu_j), at(begin.cpu_j, end.cpu_j), end.gpu_util, end.memory)
