"""The meter of a run: what it reads, the course of its counters, and the account that is made of them."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from saec.frame.judges import Cloud
from saec.meter import Meter
from saec.meter.estimate import EstimatedCpu
from saec.meter.ledger import ESTIMATED, MeterSample
from saec.meter.process import ProcessTree
from saec.meter.rapl import CpuEnergy
from saec.profile import write_json
from saec.runs.metering.energy_shares import RunEnergy, account, file_sizes, frames_of
from saec.runs.metering.stage_spans import SpanLog, read_spans
from saec.runs.verdict_log import read_verdicts, rewrite
from saec.settings import MeterConfig

ENERGY_FILE = "energy.json"
SPANS_FILE = "spans.bin"


@dataclass
class RunMeter:
    """A ``Meter`` that keeps the course of its counters during the run, and shares it out at the end."""

    metering: MeterConfig
    out: Path
    samples: list[MeterSample] = field(default_factory=list)
    spans: SpanLog | None = None

    def open(self) -> Meter:
        """The meter; its clock is that of the spans."""
        m = self.metering
        return Meter(m.gpu, m.interval_s, cpu=self._cpu(), trace=self._trace, clock=time.perf_counter)

    def _cpu(self) -> CpuEnergy | None:
        if self.metering.cpu_watts is None:
            return None
        busy, rest = self.metering.cpu_watts
        tree = ProcessTree(os.getpid())
        return EstimatedCpu(tree.cpu_seconds, busy, rest, clock=time.perf_counter)

    def _trace(self, phase: str, sample: MeterSample) -> None:
        if phase == "run":
            self.samples.append(sample)

    def rest(self, meter: Meter, stop: threading.Event | None) -> None:
        """Watch the machine at rest with the models loaded."""
        if self.metering.idle_s > 0:
            with meter.phase("idle"):
                (stop or threading.Event()).wait(self.metering.idle_s)

    def begin(self, *, resumed: bool) -> SpanLog | None:
        """Where the stages' times go; None where nothing is measured, or only a part of the run would be."""
        known = any(s is not None for s in self._counters())
        self.spans = None if resumed or not known else SpanLog(self.out / SPANS_FILE)
        return self.spans

    def _counters(self) -> list[float | None]:
        last = self.samples[-1] if self.samples else MeterSample(0.0)
        return [last.gpu_j, last.cpu_j]

    def finish(self, meter: Meter, log: Path, cloud: Cloud | None) -> RunEnergy | None:
        """Make the account, write it, and give each verdict its frame's share."""
        if self.spans is None:
            return None
        self.spans.close()
        spans = read_spans(self.out / SPANS_FILE)
        (self.out / SPANS_FILE).unlink()
        frames = frames_of(read_verdicts(log), file_sizes(read_verdicts(log)))
        energy, gross = account(
            self.samples,
            spans,
            frames,
            idle_w=self._idle(meter),
            cloud_device=self._cloud_device(cloud),
            link_j_per_byte=self.metering.link_j_per_byte,
        )
        if not energy.devices:
            return None
        told = [note for note in meter.reading("run").notes if note.startswith(ESTIMATED)]
        energy = msgspec.structs.replace(energy, notes=[*energy.notes, *told])
        write_json(self.out / ENERGY_FILE, energy)
        share = dict(zip(frames.seq.tolist(), gross.tolist(), strict=True))
        rewrite(log, lambda v: msgspec.structs.replace(v, energy_j=share.get(v.seq)))
        return energy

    def _idle(self, meter: Meter) -> dict[str, float | None]:
        reading = meter.reading("idle")
        seconds = reading.wall_s
        joules = {"gpu": reading.gpu_energy_j, "cpu": reading.cpu_energy_j}
        idle = {name: None if j is None or not seconds else j / seconds for name, j in joules.items()}
        if self.metering.cpu_watts is not None:
            idle["cpu"] = self.metering.cpu_watts[1]  # the estimate's own
        return idle

    def _cloud_device(self, cloud: Cloud | None) -> str:
        """Where the cloud's stages work; elsewhere where it is remote, and no counter here sees it."""
        if cloud is not None and cloud.config.remote.url:
            return "remote"
        return "cpu" if self.metering.gpu is None else "gpu"


_PHASES = ("loading", "warm-up", "idle", "run")


def phase_readings(meter: Meter, *, resumed: bool) -> list[dict[str, Any]]:
    """The phases that there were, for run.json."""
    return [_reading(meter, phase, resumed=resumed) for phase in _PHASES if phase in meter.phases]


def _reading(meter: Meter, phase: str, *, resumed: bool) -> dict[str, Any]:
    """A phase for run.json. What a resumed run used before it was resumed is not known, so no energy is
    stated that would be divided by all of its frames."""
    reading = meter.reading(phase)
    if resumed:
        notes = (
            *reading.notes,
            "the run was resumed: times are those of the last part, and the energy of the whole is unknown",
        )
        reading = msgspec.structs.replace(reading, gpu_energy_j=None, cpu_energy_j=None, notes=notes)
    plain: dict[str, Any] = msgspec.to_builtins(reading)
    return plain
