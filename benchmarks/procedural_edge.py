"""Image AUROC of the default edge detector on procedural lines: by family, kind, difficulty and variation.

A line is one product under one amount of benign variation. It is fitted on its goods as ``saec fit`` does,
then judges fresh goods and, at each difficulty, defects of every kind that the product can have. A line's
scores are kept, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saec.data.dataset import open_dataset
from saec.data.procedural import EXTRA_KINDS, FAMILIES, HELD_OUT, Product, draw_product, write_dataset
from saec.edge.detector import PatchDetector
from saec.edge.training.detector_fit import patch_fit
from saec.lines.line_fit import fit_line
from saec.profile import write_json
from saec.schedule.statistics.auroc import auroc
from saec.settings import DrawingConfig, FitConfig, GateConfig
from saec.settings.threshold_rule import GOODS_ALONE

FRESH = 10_000
"""Seed of the first test frame; train goods count up from 0."""


@dataclass(frozen=True)
class Plan:
    """What is measured; two runs with one plan measure the same."""

    goods: int
    test_goods: int
    defects: int
    side: int
    product: int
    folds: int
    difficulties: tuple[float, ...]


@dataclass(frozen=True)
class Defect:
    """One defect's kind, difficulty and score."""

    kind: str
    difficulty: float
    score: float


@dataclass(frozen=True)
class Judged:
    """The scores of one line on frames that it was not fitted on."""

    family: str
    variation: float
    goods: list[float]
    defects: list[Defect]

    def auroc(self, wanted: Callable[[Defect], bool]) -> float | None:
        """Of the defects wanted against all goods; None where there is no such defect."""
        scores = [d.score for d in self.defects if wanted(d)]
        return auroc(self.goods, scores) if scores else None


def measure(plan: Plan, variations: Iterable[float], families: Iterable[str], work: Path) -> list[Judged]:
    """Fit and judge every line, or read what an earlier run with the same plan kept in ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    settings = work / "plan.json"
    if settings.is_file() and json.loads(settings.read_text("utf-8")) != json.loads(json.dumps(asdict(plan))):
        raise SystemExit(f"{work} holds scores of another plan: name another --work")
    write_json(settings, asdict(plan))
    lines = [(family, variation) for variation in variations for family in families]
    found = []
    for n, (family, variation) in enumerate(lines):
        kept = work / f"{family}-{variation:g}.json"
        if not kept.is_file():
            print(f"{n + 1} of {len(lines)}: {family}, variation {variation:g}", flush=True)
            write_json(kept, asdict(_judge(plan, family, variation)))
        raw = json.loads(kept.read_text("utf-8"))
        found.append(Judged(**raw | {"defects": [Defect(**d) for d in raw["defects"]]}))
    return found


def _judge(plan: Plan, family: str, variation: float) -> Judged:
    product = draw_product(family, plan.product)
    with tempfile.TemporaryDirectory(prefix="saec-procedural-") as folder:
        detector = _fitted(plan, family, variation, Path(folder))
        shots: list[tuple[str | None, float]] = [(None, 0.0)] * plan.test_goods
        shots += [
            (kind, difficulty)
            for difficulty in plan.difficulties
            for kind in product.kinds + product.extra_kinds
            for _ in range(plan.defects)
        ]
        scores = [
            _score(detector, product, FRESH + i, kind, difficulty, plan.side, variation)
            for i, (kind, difficulty) in enumerate(shots)
        ]
    judged = list(zip(shots, scores, strict=True))
    goods = [score for (kind, _), score in judged if kind is None]
    defects = [Defect(kind, difficulty, score) for (kind, difficulty), score in judged if kind is not None]
    return Judged(family, variation, goods, defects)


def _fitted(plan: Plan, family: str, variation: float, folder: Path) -> PatchDetector:
    data = folder / family
    write_dataset(
        data,
        family,
        DrawingConfig(
            seed=plan.product,
            n_train=plan.goods,
            n_good=0,
            n_defect=0,
            size_px=plan.side,
            variation=variation,
        ),
    )
    config = FitConfig(side_px=plan.side, folds=plan.folds, threads=1, overkill_rate=GOODS_ALONE)
    profile, _ = fit_line(
        open_dataset(data), folder / "line", patch_fit(), config=config, gate=GateConfig(), created=""
    )
    return PatchDetector(profile)


def _score(
    detector: PatchDetector,
    product: Product,
    seed: int,
    kind: str | None,
    difficulty: float,
    side: int,
    variation: float,
) -> float:
    image = product.render(seed, kind, difficulty, side, variation).image
    return detector.inspect([image])[0].score


def tables(plan: Plan, judged: list[Judged]) -> dict[str, Any]:
    """AUROC by family and by kind at each variation and difficulty; of a kind the mean over families.

    A family's figure is over the kinds that it is drawn with by default; the extra kinds have their own rows.
    """
    variations = sorted({j.variation for j in judged})
    cells = [(v, d) for v in variations for d in plan.difficulties]
    families = {
        family: [_of_family(judged, family, v, d) for v, d in cells] for family in FAMILIES
        if any(j.family == family for j in judged)
    }  # fmt: skip
    drawn = {d.kind for j in judged for d in j.defects}
    kinds = {kind: [_of_kind(judged, kind, v, d) for v, d in cells] for kind in sorted(drawn)}
    columns = [{"variation": v, "difficulty": d} for v, d in cells]
    return {"plan": asdict(plan), "columns": columns, "families": families, "kinds": kinds}


def _of_family(judged: list[Judged], family: str, variation: float, difficulty: float) -> float | None:
    line = next(j for j in judged if (j.family, j.variation) == (family, variation))
    return line.auroc(lambda d: d.difficulty == difficulty and d.kind not in EXTRA_KINDS)


def _of_kind(judged: list[Judged], kind: str, variation: float, difficulty: float) -> float:
    here = [j for j in judged if j.variation == variation]
    each = [j.auroc(lambda d: (d.kind, d.difficulty) == (kind, difficulty)) for j in here]
    return float(np.mean([a for a in each if a is not None]))


def markdown(result: dict[str, Any]) -> str:
    """Both tables, hardest rows last, with the mean and the range of the families."""
    cells = [f"v {c['variation']:g}, d {c['difficulty']:g}" for c in result["columns"]]
    families: dict[str, list[float]] = result["families"]
    values = np.array(list(families.values()))
    summary = {"mean": values.mean(axis=0), "least": values.min(axis=0), "most": values.max(axis=0)}
    marked = {f"{name} *" if name in HELD_OUT else name: row for name, row in families.items()}
    kinds = {f"{name} +" if name in EXTRA_KINDS else name: row for name, row in result["kinds"].items()}
    return "\n\n".join(
        [_table("family", cells, _sorted(marked) | summary), _table("kind", cells, _sorted(kinds))]
    )


def _sorted(rows: dict[str, list[float]]) -> dict[str, Any]:
    return dict(sorted(rows.items(), key=lambda row: -float(np.mean(row[1]))))


def _table(what: str, cells: list[str], rows: dict[str, Any]) -> str:
    lines = [f"| {what} | " + " | ".join(cells) + " |", "|---" * (len(cells) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(f"{v:.3f}" for v in row) + " |" for name, row in rows.items()]
    return "\n".join(lines)
