"""The meter that runs beside the work: samples in a thread, exact counters where a phase begins or ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from saec.errors import ConfigError
from saec.meter import phases
from saec.meter.gpu import Gpu, open_gpu
from saec.meter.ledger import OUTSIDE, Ledger, MeterSample, PhaseReading
from saec.meter.process import ProcessTree
from saec.meter.rapl import CpuEnergy, open_cpu
from saec.settings import MeterConfig

Phase = Literal["loading", "warm-up", "idle", "run"]
Trace = Callable[[str, MeterSample], None]
"""Is given every sample with the phase that it ends or lies in; called in the meter's thread too."""

_RESTS = 9
"""The sampler rests at least this many times what a sample took: a tenth of a core at most."""


class Meter:
    """Measures this process (or another) and its GPU from ``with`` to its end, by phase.

        with Meter(gpu=0) as meter:
            with meter.phase("loading"):
                model = load()
            with meter.phase("run"):
                work(model)
        print(meter.reading("run").gpu_energy_j)

    Energies are differences of counters read at the ends of a phase; utilisation and memory are averages over
    samples. A phase may come several times; its stretches add up. Synchronise the GPU before a phase ends,
    else its work is booked where it happens.

    Args:
        gpu: NVML's number of the GPU, an opened ``Gpu``, or None to measure none.
        interval: seconds between samples.
        cpu: opened CPU counters; None opens the machine's.
        pid: root of the process tree whose memory counts; None takes this process.
        marks: file in which the measured process marks its phases.
        trace: is given each sample, for those who keep the course of the counters.
        clock: seconds; monotonic.

    Raises:
        ConfigError: no such GPU, or an interval that is not positive.
    """

    def __init__(
        self,
        gpu: int | Gpu | None = None,
        interval: float = MeterConfig().interval_s,
        *,
        cpu: CpuEnergy | None = None,
        pid: int | None = None,
        marks: Path | None = None,
        trace: Trace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if interval <= 0:
            raise ConfigError(
                f"the meter interval {interval} is not positive", "give seconds, for example 0.2"
            )
        self.gpu = gpu if isinstance(gpu, Gpu) else open_gpu(gpu)
        self._cpu = open_cpu() if cpu is None else cpu
        self._tree = ProcessTree(os.getpid() if pid is None else pid)
        self._marks = None if marks is None else phases.PhaseMarks(marks)
        self._interval, self._clock, self._trace = interval, clock, trace
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="saec-meter", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._ledger = Ledger(self._sample())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            if self._failure is None and kind is None:
                self._tick()
        finally:
            self.gpu.close()
        if kind is None:
            self._surface()

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Book what happens inside to this phase; phases do not nest.

        Raises:
            RuntimeError: called inside another phase.
        """
        if self._ledger.phase != OUTSIDE:
            raise RuntimeError(f"the phase {name!r} began inside the phase {self._ledger.phase!r}")
        self._switch(name)
        try:
            yield
        finally:
            self._switch(OUTSIDE)
        self._surface()

    def reading(self, phase: str = "run") -> PhaseReading:
        """What was measured in a phase so far; in one that is going on, up to the last sample."""
        self._surface()
        with self._lock:
            return self._ledger.reading(phase, (*self.gpu.notes, *self._cpu.notes, *self._tree.notes))

    @property
    def phases(self) -> list[str]:
        """Every phase that took time, and "" when time passed outside of them."""
        with self._lock:
            return self._ledger.phases

    def _switch(self, phase: str) -> None:
        with self._lock:
            sample = self._sample(counters_first=phase == OUTSIDE)
            if self._trace is not None and self._ledger.phase != OUTSIDE:
                self._trace(self._ledger.phase, sample)  # the phase that ends here
            self._ledger.advance(sample, [(sample.time, phase)])
            if self._trace is not None and phase != OUTSIDE:
                self._trace(phase, sample)
        phases.mark(phase)

    def _watch(self) -> None:
        pause = self._interval
        while not self._stop.wait(pause):
            begin = time.perf_counter()
            try:
                self._tick()
            except BaseException as e:  # surfaces in the thread that measures
                self._failure = e
                return
            pause = max(self._interval, _RESTS * (time.perf_counter() - begin))

    def _tick(self) -> None:
        with self._lock:
            sample = self._sample()
            self._ledger.advance(sample, self._marks.read() if self._marks else ())
            if self._trace is not None and self._ledger.phase != OUTSIDE:
                self._trace(self._ledger.phase, sample)

    def _sample(self, counters_first: bool = False) -> MeterSample:
        """Counters and gauges now; the gauges' own time lies outside a phase that begins or ends here."""
        gauges = None if counters_first else self._gauges()
        gpu_j, cpu_j, now = self.gpu.energy_j(), self._cpu.energy_j(), self._clock()
        utilisation, memory = gauges or self._gauges()
        return MeterSample(now, gpu_j, cpu_j, utilisation, memory)

    def _gauges(self) -> tuple[float | None, float | None]:
        """Slow where a large process is read."""
        return self.gpu.utilisation(), self._tree.memory_bytes()

    def _surface(self) -> None:
        if self._failure is not None:
            raise self._failure
