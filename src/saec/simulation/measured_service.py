"""What a run measured of its edge, its questions and its cloud, in place of the defaults of a plan."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError
from saec.runs.run_record import VERDICTS_FILE
from saec.runs.verdict_log import read_verdicts

Array = NDArray[np.float64]

_EDGE = ("read", "decode", "complexity", "edge")


class MeasuredService(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a run; None where it does not hold one.

    Attributes:
        escalation: share of the frames that the cloud was asked about.
        edge_ms: milliseconds to the edge's opinion, the median.
        request_ms, frame_ms: a batch of n frames took request_ms + frame_ms n milliseconds, by least squares.
            Where all batches had one size, request_ms is 0 and frame_ms is the share of a frame.
        batch_frames: the largest batch.
        frame_bytes: bytes of a question, the mean; None where the cloud was in the same process.
        questions: frames that the cloud answered without an explanation.
        explained: frames that it answered with one; their times say nothing of a batch.
    """

    escalation: float
    edge_ms: float | None
    request_ms: float
    frame_ms: float
    batch_frames: int
    frame_bytes: float | None
    questions: int
    explained: int = 0


def measured_service(run: Path) -> MeasuredService:
    """Read a run folder.

    Raises:
        DataError: no run, or no frame that a cloud answered.
    """
    frames = escalated = explained = 0
    edge: list[float] = []
    took: list[float] = []
    sizes: list[int] = []
    sent: list[int] = []
    for verdict in read_verdicts(run / VERDICTS_FILE):
        frames += 1
        escalated += verdict.route is not None and verdict.route.decision == "cloud"
        if "edge" in verdict.ms:
            edge.append(sum(verdict.ms.get(stage, 0.0) for stage in _EDGE))
        if verdict.cloud is None or verdict.ms.get("cloud", 0.0) <= 0:
            continue
        if "explain" in verdict.ms:
            explained += 1
            continue
        whole = verdict.ms["cloud"] + verdict.ms.get("batch", 0.0)
        took.append(whole)
        sizes.append(max(1, round(whole / verdict.ms["cloud"])))
        if verdict.cloud.spent is not None and verdict.cloud.spent.bytes:
            sent.append(verdict.cloud.spent.bytes)
    if not took:
        raise DataError(
            f"{run}: no frame has an answer of a cloud without an explanation"
            + (f"; {explained:,} with one do not count" if explained else ""),
            "name a run that was made with --cloud and --no-explain",
        )
    request_ms, frame_ms = _line(np.array(sizes, dtype=float), np.array(took))
    return MeasuredService(
        escalation=escalated / frames,
        edge_ms=float(np.median(edge)) if edge else None,
        request_ms=request_ms,
        frame_ms=frame_ms,
        batch_frames=max(sizes),
        frame_bytes=float(np.mean(sent)) if sent else None,
        questions=len(took),
        explained=explained,
    )


def _line(sizes: Array, took: Array) -> tuple[float, float]:
    """Intercept and slope of a batch's time, neither negative; each batch counts once."""
    weight = 1 / sizes  # a batch of n has n frames
    mean_size, mean_took = np.average(sizes, weights=weight), np.average(took, weights=weight)
    spread = np.average((sizes - mean_size) ** 2, weights=weight)
    together = np.average((sizes - mean_size) * (took - mean_took), weights=weight)
    slope = float(together / spread) if spread > 1e-9 else 0.0
    if not 0 < slope <= mean_took / mean_size:
        return 0.0, float(mean_took / mean_size)
    return float(mean_took - slope * mean_size), slope
