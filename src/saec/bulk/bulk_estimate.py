"""What a bulk run will take: a few frames are judged in this process, and scaled to all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from saec.bulk.bulk_judges import BulkOrder, CloudJudge, CloudRow, EdgeJudge, EdgeRow
from saec.decoding import decode
from saec.frame.judges import Judges
from saec.meter import PhaseReading
from saec.runs.metering.run_meter import RunMeter
from saec.settings import MeterConfig

T = TypeVar("T")


class StageCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one frame takes in one stage, on this machine.

    Attributes:
        seconds: wall time of one worker.
        joules: energy of the whole machine, or None where it was not measured.
    """

    seconds: float
    joules: float | None = None


class FrameCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the sample took.

    Attributes:
        sample: frames that were judged.
        edge: what a frame takes at the edge.
        asked: share of the sample that was sent to the cloud.
        cloud: what a frame takes at the cloud; None where none was sent.
    """

    sample: int
    edge: StageCost
    asked: float = 0.0
    cloud: StageCost | None = None

    def sentence(self, frames: int, waiting: int, edge_workers: int, cloud_workers: int) -> str:
        """The estimate in words.

        Args:
            frames: frames for the edge.
            waiting: frames that wait for the cloud already.
            edge_workers, cloud_workers: who share the work.
        """
        asked = waiting + frames * self.asked
        seconds = frames * self.edge.seconds / edge_workers
        joules = None if self.edge.joules is None else frames * self.edge.joules
        if self.cloud is not None:
            seconds += asked * self.cloud.seconds / cloud_workers
            known = joules is not None and self.cloud.joules is not None
            joules = (joules or 0.0) + asked * (self.cloud.joules or 0.0) if known else None
        energy = "energy unknown" if joules is None else f"about {joules:,.0f} J, idle power included"
        return (
            f"estimate from {self.sample} frames: {frames:,} frames, about {asked:,.0f} for the cloud, "
            f"about {_duration(seconds)} with {edge_workers} edge workers; {energy}"
        )


def frame_cost(
    order: BulkOrder, judges: Judges, rows: Sequence[bytes], metering: MeterConfig, out: Path
) -> FrameCost | None:
    """Judge some rows of the list of work here; None where there are none.

    Args:
        order: what workers are told.
        judges: what is open in this process already.
        rows: the sample; its first row is judged once more beforehand, so that no first call is measured.
        metering: how energy is measured.
        out: the run folder.
    """
    if not rows:
        return None
    edge = EdgeJudge(order, judges.detector)
    parsed = [decode(row, EdgeRow) for row in rows]
    edge.answer(parsed[0])
    answers, edge_cost = _measured(lambda: [edge.answer(row) for row in parsed], len(rows), metering, out)
    pending = [CloudRow(a.number, a.frame, a.pending) for a in answers if a.pending is not None]
    cloud_cost = None
    if pending and judges.engine is not None:
        cloud = CloudJudge(order, judges.engine)
        asked = pending[: judges.batch]
        _, cloud_cost = _measured(lambda: cloud.answers(asked), len(asked), metering, out)
    return FrameCost(sample=len(rows), edge=edge_cost, asked=len(pending) / len(rows), cloud=cloud_cost)


def _measured(work: Callable[[], T], frames: int, metering: MeterConfig, out: Path) -> tuple[T, StageCost]:
    with RunMeter(metering, out).open() as meter, meter.phase("run"):
        start = time.perf_counter()
        done = work()
        seconds = time.perf_counter() - start
    joules = _joules(meter.reading("run"))
    return done, StageCost(seconds=seconds / frames, joules=None if joules is None else joules / frames)


def _joules(reading: PhaseReading) -> float | None:
    parts = [part for part in (reading.gpu_energy_j, reading.cpu_energy_j) if part is not None]
    return sum(parts) if parts else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
