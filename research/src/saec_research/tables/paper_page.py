"""The seed's tables in Markdown, with what is missing said in its place."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import msgspec

from saec.runs.run_folder import verdicts_of
from saec.runs.verdict_log import read_verdicts
from saec_research.tables.paper import OURS, ROWS, Absent, Judgement
from saec_research.tables.published import Published
from saec_research.tables.serial import Walls
from saec_research.tables.summary import Summary, Test

NAMES = {
    "yolo": "YOLO rule",
    "cloud": "Qwen zero-shot",
    "llava": "LLaVA zero-shot",
    "seed": "the seed's cascade",
    "edge": "our edge alone",
    "saec": "ours",
}

_COLUMNS = (
    *("dataset", "seed", "row", "product", "id", "sha256", "truth", "label", "p_defect", "decided_by"),
    "route",
)


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """``paper.json``: everything that the tables and plots are made of."""

    command: str
    seeds: list[int]
    summaries: list[Summary]
    tests: list[Test]
    absent: list[Absent]
    walls: dict[str, Walls]
    judgements: list[Judgement]


def paper_markdown(paper: Paper, published: Published, plots: dict[str, str]) -> str:
    """The page; ``plots`` are the resource figures by set."""
    sets = list(dict.fromkeys(s.dataset for s in paper.summaries))
    parts = [_head(paper, published)]
    for name in sets:
        parts += [f"## {name}\n", _protocols(paper, name), _accuracy(paper, published, name)]
        parts += [_times(paper, published, name), _resources(paper, name)]
        if name in plots:
            parts.append(f"![resources on {name}]({plots[name]})\n")
        parts += [_tests(paper, name), _products(paper, name), _models(paper, name)]
    if paper.walls:
        parts.append(_walls(paper.walls))
    return "\n".join(part for part in parts if part)


def write_predictions(path: Path, done: Sequence[Judgement]) -> None:
    """Every label of every row as CSV, in a fixed order; an empty cell is unknown."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(_COLUMNS)
        for j in done:
            for v in sorted(read_verdicts(verdicts_of(Path(j.row.run))), key=lambda v: v.id):
                cells = [j.dataset, j.seed, j.row.baseline, j.product, v.id, v.sha256, v.truth, v.label]
                p = "" if v.p_defect is None else f"{v.p_defect:.6f}"
                route = v.route.decision if v.route else ""
                out.writerow(["" if c is None else c for c in cells] + [p, v.decided_by, route])


def _head(paper: Paper, published: Published) -> str:
    machine = paper.judgements[0].machine if paper.judgements else None
    lines = ["# The seed's comparison", "", f"Made by `{paper.command}`.", ""]
    if machine is not None:
        gpu = machine.gpu or "no GPU"
        lines.append(f"- Machine: {machine.cpu or 'unknown CPU'}, {machine.cores} cores, {gpu}.")
    lines += [
        f"- Seeds: {', '.join(map(str, paper.seeds))}; means over them, ± the standard deviation.",
        f"- Published: {published.source}; measured there on {published.machine}.",
        *(f"- Published: {note}" for note in published.notes),
        "- The published cascade is the row *the seed's cascade*; *ours* has no published figure.",
        "- What was not measured says so: nothing is estimated and nothing is zero that is unknown.",
        "",
    ]
    return "\n".join(lines)


def _protocols(paper: Paper, name: str) -> str:
    told = dict.fromkeys(j.protocol for j in paper.judgements if j.dataset == name)
    return "\n".join(f"- {protocol}." for protocol in told) + "\n"


def _accuracy(paper: Paper, published: Published, name: str) -> str:
    titles = ("accuracy", "published", "balanced", "escapes", "overkill", "asked", "images", "no answer")
    rows: list[tuple[str, list[str] | None]] = []
    for row in ROWS:
        s = _find(paper, name, row)
        if s is None:
            rows.append((row, None))
            continue
        first = next(iter(s.seeds.values()))
        public = published.of(name, row).accuracy
        cells = [
            _percent(s, "accuracy"),
            "–" if public is None else f"{100 * public:.2f}",
            *(_percent(s, f) for f in ("balanced_accuracy", "escape_rate", "overkill_rate")),
            _percent(s, "escalation_rate") if row in ("seed", OURS) else "–",
            str(first.images),
            str(first.errors),
        ]
        rows.append((row, cells))
    return _table("Accuracy, %", titles, rows, paper, name)


def _times(paper: Paper, published: Published, name: str) -> str:
    rows: list[tuple[str, list[str] | None]] = []
    for row in ROWS:
        s, public = _find(paper, name, row), published.of(name, row)
        cells = None
        if s is not None:
            cells = [
                _plain(s, "total_s", 1),
                "–" if public.total_s is None else f"{public.total_s:.1f}",
                _plain(s, "image_s", 3),
                "–" if public.image_s is None else f"{public.image_s:.3f}",
            ]
        rows.append((row, cells))
    titles = ("total", "published", "per image", "published")
    return _table("Wall time of the run, loading and warm-up apart, s", titles, rows, paper, name)


def _resources(paper: Paper, name: str) -> str:
    titles = ("GPU utilisation, %", "GPU power, W", "mWh per correct decision", "energy of", "CPU memory, GB")
    rows: list[tuple[str, list[str] | None]] = []
    for row in ROWS:
        s = _find(paper, name, row)
        cells = None
        if s is not None:
            first = next(iter(s.seeds.values()))
            cells = [
                _plain(s, "gpu_util", 1),
                _plain(s, "gpu_power_w", 1),
                _plain(s, "mwh_per_correct", 3),
                " + ".join(first.energy_of) or "unknown",
                _plain(s, "memory_gb", 2),
            ]
        rows.append((row, cells))
    return _table("Resources", titles, rows, paper, name)


def _tests(paper: Paper, name: str) -> str:
    tests = [t for t in paper.tests if t.dataset == name]
    if not tests:
        return ""
    lines = [
        "### Ours against each row, the same images",
        "",
        "| row | ours less the row, points (95 %) | only ours right | only the row right | p (McNemar) "
        "| p (Holm) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for t in tests:
        low, high = t.interval
        lines.append(
            f"| {NAMES[t.row]} | {100 * t.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) "
            f"| {t.better} | {t.worse} | {t.p:.2g} | {t.adjusted:.2g} |"
        )
    return "\n".join([*lines, ""])


def _products(paper: Paper, name: str) -> str:
    products = list(dict.fromkeys(j.product for j in paper.judgements if j.dataset == name))
    if len(products) < 2:
        return ""
    rows = [row for row in ROWS if _find(paper, name, row) is not None]
    lines = ["### Accuracy by product, %", "", f"| product | {' | '.join(NAMES[r] for r in rows)} |"]
    lines.append(f"|---|{'---:|' * len(rows)}")
    for product in products:
        cells = [_product_cell(paper, name, product, row) for row in rows]
        lines.append(f"| {product} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _product_cell(paper: Paper, name: str, product: str, row: str) -> str:
    mine = [
        j.row.metrics.accuracy
        for j in paper.judgements
        if (j.dataset, j.product, j.row.baseline) == (name, product, row)
    ]
    known = [a for a in mine if a is not None]
    return f"{100 * sum(known) / len(known):.1f}" if known else "–"


def _models(paper: Paper, name: str) -> str:
    lines = ["### What judged", "", "| row | model, sha256 of its weights | input | images, sha256 |"]
    lines.append("|---|---|---|---|")
    notes: list[str] = []
    for row in ROWS:
        if (s := _find(paper, name, row)) is not None:
            data = ", ".join(s.data[:3]) + (f" and {len(s.data) - 3} more" if len(s.data) > 3 else "")
            lines.append(f"| {NAMES[row]} | {s.model} | {s.sizes} | {data} |")
            notes += [f"- {NAMES[row]}: {note}" for note in s.notes]
    return "\n".join([*lines, "", *notes, ""])


def _walls(walls: dict[str, Walls]) -> str:
    lines = [
        "## Serial against parallel, measured",
        "",
        "Read, decode, complexity, edge and cloud of the same frames, one after another and in the pipeline.",
        "",
        "| data | frames | asked | one after another, s | pipeline, s | speed-up, median |",
        "|---|---:|---:|---|---|---:|",
    ]
    for name, w in walls.items():
        serial, parallel = (" ".join(f"{s:.2f}" for s in times) for times in (w.serial, w.parallel))
        lines.append(f"| {name} | {w.frames} | {w.asked} | {serial} | {parallel} | {w.speed_up:.2f} |")
    return "\n".join([*lines, ""])


def _table(
    title: str,
    titles: Sequence[str],
    rows: Sequence[tuple[str, list[str] | None]],
    paper: Paper,
    name: str,
) -> str:
    """One line per row; one that was not measured says why."""
    lines = [f"### {title}", "", f"| row | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    for row, cells in rows:
        if cells is None:
            why = next((a.why for a in paper.absent if (a.dataset, a.row) == (name, row)), "not measured")
            cells = [why, *[""] * (len(titles) - 1)]
        lines.append(f"| {NAMES[row]} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _find(paper: Paper, dataset: str, row: str) -> Summary | None:
    return next((s for s in paper.summaries if (s.dataset, s.row) == (dataset, row)), None)


def _percent(s: Summary, figure: str) -> str:
    return _spread(s, figure, 100.0, 1)


def _plain(s: Summary, figure: str, digits: int) -> str:
    return _spread(s, figure, 1.0, digits)


def _spread(s: Summary, figure: str, scale: float, digits: int) -> str:
    mean, deviation = s.mean[figure], s.deviation[figure]
    if mean is None:
        return "unknown"
    text = f"{scale * mean:.{digits}f}"
    return text if deviation is None else f"{text} ± {scale * deviation:.{digits}f}"
