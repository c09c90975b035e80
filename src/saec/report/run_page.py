"""A run folder, read for its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import decoder
from saec.errors import DataError
from saec.evaluation.metrics import Metrics, evaluate_verdicts
from saec.runs.run_record import METRICS_FILE, VERDICTS_FILE, RunInfo, read_run
from saec.texts import read_json, read_lines
from saec.types import VerdictRecord


@dataclass(frozen=True)
class Run:
    """What a report is made of.

    Attributes:
        folder: the run folder; pictures are looked for in it.
        info: its ``run.json``.
        verdicts: one per frame, sorted by id.
        metrics: the figures of these very verdicts, with the pixel figures of ``metrics.json``.
        notes: what a reader must know about this run's files, one sentence each.
    """

    folder: Path
    info: RunInfo
    verdicts: list[VerdictRecord]
    metrics: Metrics
    notes: list[str] = field(default_factory=list)


def open_run(folder: str | Path) -> Run:
    """Read a run folder; a run without any verdict is a run with zero frames.

    Raises:
        DataError: no run folder, or a damaged file.
    """
    folder = Path(folder)
    info = read_run(folder)
    verdicts, notes = _read_verdicts(folder / VERDICTS_FILE)
    if not info.ended:
        notes.append(
            "The run has not ended: it still runs, or it was killed. This page shows what was judged so far."
        )
    verdicts.sort(key=lambda v: v.id)
    pixels = _pixel_figures(folder / METRICS_FILE)
    metrics = msgspec.structs.replace(evaluate_verdicts(verdicts, info.line.kinds), **pixels)
    return Run(folder, info, verdicts, metrics, notes)


def _read_verdicts(path: Path) -> tuple[list[VerdictRecord], list[str]]:
    """The verdicts; a retried frame has several, of which the last stands."""
    if not path.is_file():
        return [], [f"There is no {path.name}: nothing was judged."]
    read = decoder(VerdictRecord).decode
    latest: dict[tuple[str, str], VerdictRecord] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.endswith(b"\n"):
            return list(latest.values()), [
                "The last row of the log is incomplete, because the run was killed. It is left out."
            ]
        try:
            verdict = read(line)
        except msgspec.DecodeError as e:
            raise DataError(
                f"{path}:{number} is not a verdict: {e}", "restore the file, or delete that row"
            ) from e
        latest[verdict.line, verdict.id] = verdict
    return list(latest.values()), []


def _pixel_figures(path: Path) -> dict[str, float | None]:
    """What verdicts alone cannot tell; empty where no evaluation was made."""
    if not path.is_file():
        return {}
    figures = read_json(path, dict[str, Any], error=DataError, remedy="evaluate again")
    return {key: figures.get(key) for key in ("pixel_auroc", "pro")}
