"""One self-contained HTML page of a study: who repeats himself, who is right, and how scores scatter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saec.errors import DataError
from saec.evaluation.studies.attribute_study import LIMITS, AttributeStudy
from saec.evaluation.studies.score_study import ScoreStudy
from saec.evaluation.studies.study_sentences import kappa_text, share_text, study_sentences
from saec.report.page_environment import page_environment
from saec.report.plots import WIDTH, Axis

_ROW, _TOP = 16, 24
_NAMES = 150
"""Pixels that the names of parts take."""

_MOST_ROWS = 80
"""Parts that are drawn: those nearest to the threshold."""


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one part as dots, in drawing units."""

    name: str
    y: float
    dots: list[float]
    kind: str


@dataclass(frozen=True)
class ScoreDrawing:
    """The scores of the parts, the threshold, and the band in which labels may change."""

    rows: list[ScoreRow]
    width: int
    height: int
    names: int
    threshold: float
    band: tuple[float, float]
    left_out: int


def study_html(study: AttributeStudy, scores: ScoreStudy | None, about: str) -> str:
    """The page; it refers to no other file.

    Args:
        study: what was found of labels.
        scores: what was found of scores; None without a line.
        about: a sentence that says what was studied.
    """
    environment = page_environment()
    filters: dict[str, Any] = {"share": share_text, "kappa": kappa_text}
    environment.filters |= filters
    return environment.get_template("study.html").render(
        study=study,
        about=about,
        scores=scores,
        sentences=list(study_sentences(study, scores)),
        drawing=None if scores is None else score_drawing(scores),
        limits=LIMITS,
    )


def write_study(study: AttributeStudy, scores: ScoreStudy | None, about: str, path: Path) -> Path:
    """Write the page of a study; see ``study_html``.

    Raises:
        DataError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(study_html(study, scores, about), encoding="utf-8")
        partial.replace(path)
    except OSError as e:
        raise DataError(f"{path} cannot be written: {e.strerror or e}", "name another file with --out") from e
    return path


def score_drawing(scores: ScoreStudy) -> ScoreDrawing:
    """The parts nearest to the threshold, with all their scores, by rising mean."""
    nearest = sorted(scores.parts, key=lambda part: abs(_mean(part.scores) - scores.threshold))[:_MOST_ROWS]
    shown = [part for part in scores.parts if part in nearest]
    every = [score for part in shown for score in part.scores] + [scores.threshold, *scores.guard_band]
    low, high = min(every), max(every)
    pad = 0.03 * (high - low) or 1.0
    axis = Axis(low - pad, high + pad)

    def place(score: float) -> float:
        return _NAMES + (WIDTH - _NAMES) * axis.share(score)

    rows = [
        ScoreRow(
            name=part.part,
            y=_TOP + _ROW * (at + 0.5),
            dots=[place(score) for score in part.scores],
            kind={0: "good", 1: "defect", None: "unknown"}[part.truth],
        )
        for at, part in enumerate(shown)
    ]
    return ScoreDrawing(
        rows=rows,
        width=WIDTH,
        height=_TOP + _ROW * len(rows) + 8,
        names=_NAMES,
        threshold=place(scores.threshold),
        band=(place(scores.guard_band[0]), place(scores.guard_band[1])),
        left_out=len(scores.parts) - len(shown),
    )


def _mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)
