"""The trial of a cloud as a short table: as text, and as HTML for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saec.evaluation.cloud_benefit import BenefitRow
    from saec.evaluation.cloud_trial import CloudTrial

_HEADS = ("asked", "images", "accuracy", "gain in points", "p")


def benefit_text(trial: CloudTrial) -> str:
    """The table, what it says in one sentence, and what a reader must know."""
    rows = _rows(trial)
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    lines = [
        "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    return "\n".join([_title(trial), *lines, *_sentences(trial)])


def benefit_html(trial: CloudTrial) -> str:
    """The same as HTML; all words are text."""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in _rows(trial))
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in _sentences(trial))
    return f"<table><caption>{escape(_title(trial))}</caption>{rows}</table>{said}"


def _title(trial: CloudTrial) -> str:
    return f"{trial.cloud} on the line {trial.line}: {trial.n_good} good and {trial.n_defect} defect images"


def _rows(trial: CloudTrial) -> list[tuple[str, ...]]:
    alone = ("0 %", "0", f"{100 * trial.edge.accuracy:.1f} %", "", "")
    return [_HEADS, alone, *map(_cells, trial.rows)]


def _cells(row: BenefitRow) -> tuple[str, ...]:
    low, high = row.gain_interval
    return (
        f"{100 * row.share:.3g} %",
        str(row.asked),
        f"{100 * row.accuracy:.1f} %",
        f"{100 * row.gain:+.1f} ({100 * low:.1f} to {100 * high:.1f})",
        f"{row.mcnemar_p:.3f}",
    )


def _sentences(trial: CloudTrial) -> list[str]:
    said = [trial.fusion_reason, *trial.notes]
    if trial.cross_domain:
        said.append(f"cross-domain: {trial.cross_domain}")
    return [*said, trial.conclusion.sentence]
