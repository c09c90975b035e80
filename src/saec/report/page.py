"""One self-contained HTML page of one or several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from saec.errors import DataError
from saec.report import plots, words
from saec.report.figures import Figure, energy_per_correct, energy_source, figures, overview
from saec.report.gallery import CHANGED, GallerySection, sections
from saec.report.kind_table import KindsView, kinds_view
from saec.report.page_environment import page_environment
from saec.report.run_page import Run, open_run
from saec.report.tally import RouteRow, Share, StageRow, Tally, routes, shares, stage_times, tally
from saec.report.thumbs import Pair, Thumbs
from saec.types import VerdictRecord

BUDGET = 5_500_000
"""Bytes of pictures that a page may hold; mail and phones still take such a page."""

_STRIP = 6


@dataclass(frozen=True)
class Card:
    """One frame of the gallery: its verdict, its pictures, and where its score lies on the axis (0..1)."""

    verdict: VerdictRecord
    pair: Pair
    score_at: float | None


@dataclass(frozen=True)
class RunView:
    """Everything that the template shows of one run."""

    run: Run
    tally: Tally
    shares: list[Share]
    figures: list[Figure]
    histogram: plots.Histogram | None
    routes: list[RouteRow]
    stages: list[StageRow]
    kinds: KindsView | None
    changed: list[GallerySection]
    sections: list[GallerySection]
    cards: dict[str, list[Card]]
    strip: list[tuple[str, str, Card]]
    threshold_at: float
    gate_at: tuple[float, float] | None
    refused: int
    notes: list[str]
    energy_per_correct: float | None
    energy_of: str


def write_report(
    run: str | Path, *more: str | Path, out: str | Path | None = None, budget: int = BUDGET
) -> Path:
    """Write the page of a run, or one page of several.

    Args:
        run, more: run folders; several give a table over all first, then each on its own.
        out: the file; ``report.html`` in the first run's folder by default.
        budget: bytes of pictures in the page.

    Returns:
        The file that was written.

    Raises:
        DataError: a folder is no run, or a file in it is damaged.
    """
    folders = [Path(folder) for folder in (run, *more)]
    path = Path(out) if out is not None else folders[0] / "report.html"
    page = render([open_run(folder) for folder in folders], budget=budget)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(page, encoding="utf-8")
    except OSError as e:
        raise DataError(f"{path} cannot be written: {e.strerror or e}", "name another file with --out") from e
    partial.replace(path)
    return path


def render(runs: Sequence[Run], *, budget: int = BUDGET) -> str:
    """The page's HTML; it refers to no other file."""
    views = [_view(run, budget // len(runs), 1 / len(runs) ** 0.5) for run in runs]
    return (
        _environment()
        .get_template("page.html")
        .render(
            views=views,
            infos=[run.info for run in runs],
            overview=overview(runs) if len(runs) > 1 else None,
            size=(plots.WIDTH, plots.HEIGHT),
            meter=words.METER,
            demonstration=any(words.is_demonstration(run.info) for run in runs),
        )
    )


def _view(run: Run, budget: int, share: float) -> RunView:
    line, verdicts = run.info.line, run.verdicts
    axis = plots.score_axis(verdicts, line.threshold, line.gate)
    shown = sections(verdicts, line.threshold, line.gate, share=share)
    thumbs = Thumbs(budget)
    cards = {
        section.key: [
            Card(v, thumbs.pair(v, run.folder, bits=line.bits), _place(axis, v)) for v in section.shown
        ]
        for section in shown
    }
    return RunView(
        run=run,
        tally=tally(verdicts),
        shares=shares(verdicts),
        figures=figures(run),
        histogram=plots.histogram(verdicts, line.threshold, line.gate),
        routes=routes(verdicts),
        stages=stage_times(verdicts),
        kinds=kinds_view(verdicts, run.metrics.kinds),
        changed=[section for key in CHANGED for section in shown if section.key == key],
        sections=[section for section in shown if section.key not in CHANGED],
        cards=cards,
        strip=_strip(shown, cards),
        threshold_at=axis.share(line.threshold),
        gate_at=(axis.share(line.gate.low), axis.share(line.gate.high)) if line.gate else None,
        refused=thumbs.refused,
        notes=[*run.info.notes, *run.notes],
        energy_per_correct=energy_per_correct(run),
        energy_of=energy_source(run),
    )


def _strip(shown: Sequence[GallerySection], cards: dict[str, list[Card]]) -> list[tuple[str, str, Card]]:
    """One picture of each of the first groups that have one: (title, key, card)."""
    first = [
        (section.title, section.key, card)
        for section in shown
        for card in [c for c in cards[section.key] if c.pair.map or c.pair.frame][:1]
    ]
    return first[:_STRIP]


def _place(axis: plots.Axis, verdict: VerdictRecord) -> float | None:
    return None if verdict.score is None else axis.share(verdict.score)


def _environment() -> Environment:
    environment = page_environment()
    filters: dict[str, Any] = {
        "share": words.share,
        "percent": words.percent,
        "number": words.number,
        "quantity": words.quantity,
        "ms": words.milliseconds,
        "stage": words.stage,
        "reason": words.reason,
        "role": lambda role: words.ROLES.get(role, role),
        "decider": lambda by: words.DECIDERS.get(by, by),
    }
    environment.filters |= filters
    functions: dict[str, Any] = {
        name: getattr(words, name)
        for name in ("opening", "headline", "routing", "mending", "cloud_role", "count")
    }
    environment.globals |= functions
    return environment
