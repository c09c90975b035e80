"""The figures of a run as rows of text, and of several runs as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saec.decoding import convert
from saec.evaluation.metrics import Metrics
from saec.meter import PhaseReading, energy_of, energy_per_correct_mwh
from saec.report import words
from saec.report.run_page import Run

COLUMNS = (
    "n_good",
    "n_defect",
    "image_auroc",
    "balanced_accuracy",
    "escape_rate",
    "overkill_rate",
    "escalation_rate",
)
_SHORT = {
    "n_good": "good frames",
    "n_defect": "defects",
    "image_auroc": "image AUROC",
    "balanced_accuracy": "balanced accuracy",
    "escape_rate": "escapes",
    "overkill_rate": "overkill",
    "escalation_rate": "sent to the cloud",
}


@dataclass(frozen=True)
class Figure:
    """A row: what it is, what it means, its value and its 95 % interval as text."""

    name: str
    about: str
    value: str
    interval: str


@dataclass(frozen=True)
class Row:
    name: str
    cells: list[str]


@dataclass(frozen=True)
class Overview:
    """Several runs side by side, and the mean over those that have the figure."""

    columns: list[str]
    rows: list[Row]
    mean: Row


def figures(run: Run) -> list[Figure]:
    """The figures of a run in a fixed order; without any known truth there are none."""
    if not run.metrics.n_good + run.metrics.n_defect:
        return []
    return [
        Figure(name, about, _text(getattr(run.metrics, key), form), _interval(run.metrics, key))
        for key, name, about, form in words.FIGURES
    ]


def overview(runs: Sequence[Run]) -> Overview:
    """One row per run; a figure that a run lacks is 'unknown'."""
    values = [[getattr(run.metrics, key) for key in COLUMNS] for run in runs]
    rows = [Row(run.info.line.name, _cells(row)) for run, row in zip(runs, values, strict=True)]
    means: list[float | None] = [_mean(column) for column in zip(*values, strict=True)]
    return Overview([_SHORT[key] for key in COLUMNS], rows, Row("mean", ["", "", *_cells(means)[2:]]))


def energy_per_correct(run: Run) -> float | None:
    """Milliwatt-hours of the phase "run" per correct decision; None when either is unknown."""
    reading = _reading(run)
    correct = run.metrics.confusion.tp + run.metrics.confusion.tn
    return None if reading is None else energy_per_correct_mwh(reading, correct or None)


def energy_source(run: Run) -> str:
    """Which energies were measured, in words."""
    reading = _reading(run)
    parts = energy_of(reading) if reading is not None else ()
    return f"energy of {' and '.join(parts)}" if parts else "no energy was measured"


def _reading(run: Run) -> PhaseReading | None:
    found = [r for r in run.info.meter if r.get("phase") == "run"]
    return convert(found[-1], PhaseReading) if found else None


def _cells(values: Sequence[Any]) -> list[str]:
    return [_text(value, _form(key)) for key, value in zip(COLUMNS, values, strict=True)]


def _form(key: str) -> str:
    if key.startswith("n_"):
        return "count"
    return next(form for name, _, _, form in words.FIGURES if name == key)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


def _text(value: Any, form: str) -> str:
    if value is None:
        return words.UNKNOWN
    if form == "count":
        return f"{value:,.0f}"
    return words.share(value) if form == "share" else words.number(value)


def _interval(metrics: Metrics, key: str) -> str:
    bounds = {"escape_rate": metrics.escape_interval, "overkill_rate": metrics.overkill_interval}.get(key)
    if bounds is None:
        return ""
    return f"{100 * bounds[0]:.1f} to {words.share(bounds[1])}"
