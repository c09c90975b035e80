"""The figures of one line as a short table: as text, as HTML for a notebook, and flat for pandas."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from saec.errors import ExtraError

if TYPE_CHECKING:
    import pandas

    from saec.evaluation.metrics import Interval, Metrics

Row = tuple[str, str, str]
"""A figure's name, its value, and what to know of it."""


def figure_rows(metrics: Metrics) -> list[Row]:
    """What was measured, one row for each figure that there is."""
    count = metrics.confusion
    rows = [
        ("accuracy", _percent(metrics.accuracy), ""),
        ("balanced accuracy", _percent(metrics.balanced_accuracy), ""),
        (
            "missed defects",
            _percent(metrics.escape_rate),
            _of(count.fn, metrics.n_defect, metrics.escape_interval),
        ),
        (
            "false rejects",
            _percent(metrics.overkill_rate),
            _of(count.fp, metrics.n_good, metrics.overkill_interval),
        ),
        ("image AUROC", _number(metrics.image_auroc), ""),
        ("average precision", _number(metrics.average_precision), ""),
        ("pixel AUROC", _number(metrics.pixel_auroc), ""),
        ("PRO", _number(metrics.pro), ""),
        ("sent to the cloud", _percent(metrics.escalation_rate), ""),
    ]
    for name, times in (("judging, ms", metrics.ms_judging), ("waiting, ms", metrics.ms_waiting)):
        if times is not None:
            rows.append((name, f"{times.p50:.1f}", f"median; 95 % within {times.p95:.1f}"))
    for name, frames in (
        ("without a label", metrics.n_error),
        ("provisional", metrics.n_provisional),
        ("of unknown truth", metrics.n_unknown),
    ):
        if frames:
            rows.append((name, str(frames), "images"))
    return [row for row in rows if row[1]]


def figures_text(metrics: Metrics) -> str:
    """The table as text, with the notes below it."""
    rows = figure_rows(metrics)
    names, values = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    lines = [f"{name:{names}}  {value:>{values}}  {note}".rstrip() for name, value, note in rows]
    return "\n".join([title(metrics), *(f"  {line}" for line in lines), *metrics.notes])


def figures_html(metrics: Metrics) -> str:
    """The table as HTML; all words are text."""
    cells = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in figure_rows(metrics))
    notes = "".join(f"<p>{escape(note)}</p>" for note in metrics.notes)
    return f"<table><caption>{escape(title(metrics))}</caption>{cells}</table>{notes}"


def figures_frame(metrics: Metrics) -> pandas.DataFrame:
    """One row, a column for each figure; those within a figure are named "confusion.tp".

    Raises:
        ExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ExtraError("pandas", "notebook") from None
    return pandas.DataFrame([_flat(msgspec.to_builtins(metrics))])


def title(metrics: Metrics) -> str:
    """What was measured on."""
    return f"Metrics of {metrics.n_good} good and {metrics.n_defect} defect images"


def _flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif name.endswith("_interval") and value is not None:
            found |= {f"{prefix}{name}.low": value[0], f"{prefix}{name}.high": value[1]}
        else:
            found[f"{prefix}{name}"] = value
    return found


def _cell(text: str) -> str:
    return f'<td style="text-align:left">{escape(text)}</td>'


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _of(count: int, among: int, interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{count} of {among}; {100 * interval[0]:.1f} to {100 * interval[1]:.1f} % with 95 % confidence"
