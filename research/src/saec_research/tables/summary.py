"""Judgements pooled over products, averaged over seeds, and compared in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from saec.meter import energy_of, energy_per_correct_mwh
from saec.runs.run_folder import verdicts_of
from saec.runs.verdict_log import read_verdicts
from saec.schedule.statistics.paired import Interval, holm, interval, mcnemar, resampled
from saec_research.tables.paper import OURS, ROWS, Judgement

FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "escape_rate",
    "overkill_rate",
    "escalation_rate",
    "total_s",
    "image_s",
    "gpu_util",
    "gpu_power_w",
    "mwh_per_correct",
    "memory_gb",
)


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """One row of one set under one seed: all products together. None is not measured.

    Attributes:
        images: that have a label; ``errors`` have none and are in no rate.
        total_s, image_s: wall time of the runs after loading and warm-up, and per image.
        gpu_util, gpu_power_w, memory_gb: averages over that time.
        mwh_per_correct: energy of what ``energy_of`` names, over the correct decisions.
    """

    images: int
    errors: int
    accuracy: float | None
    balanced_accuracy: float | None
    escape_rate: float | None
    overkill_rate: float | None
    escalation_rate: float | None
    total_s: float
    image_s: float
    gpu_util: float | None
    gpu_power_w: float | None
    mwh_per_correct: float | None
    energy_of: list[str]
    memory_gb: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of one set.

    Attributes:
        seeds: pooled figures by seed; ``mean`` and ``deviation`` of each figure over them (the deviation
            of one is None).
        model, weights, sizes: the runs' own; products have detectors of their own.
        notes: what a reader must know.
    """

    dataset: str
    row: str
    what: str
    model: str
    weights: dict[str, str]
    sizes: str
    data: list[str]
    seeds: dict[int, Pooled]
    mean: dict[str, float | None]
    deviation: dict[str, float | None]
    notes: list[str]


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """Ours against another row of a set, on the images that both were asked to judge.

    Attributes:
        difference: accuracy of ours less that of the row; a frame without a label is not right.
        interval: 95 %, images resampled; one image is one unit under all seeds.
        better, worse: images of the first seed that only ours, or only the row, has right.
        p: McNemar's, exact, on those; ``adjusted`` by Holm over the rows of the set.
    """

    dataset: str
    row: str
    difference: float
    interval: Interval
    better: int
    worse: int
    p: float
    adjusted: float


def summarise(done: Sequence[Judgement]) -> list[Summary]:
    """A summary for each set and row, in the order of the tables."""
    sets = list(dict.fromkeys(j.dataset for j in done))
    found = []
    for dataset in sets:
        for row in ROWS:
            mine = [j for j in done if (j.dataset, j.row.baseline) == (dataset, row)]
            if mine:
                found.append(_summary(mine))
    return found


def pool(done: Sequence[Judgement]) -> Pooled:
    """Several products together: counts are added, averages weigh by time."""
    counts = np.array([_counts(j) for j in done]).sum(axis=0)
    tp, fp, tn, fn, errors = counts.tolist()
    images, right = tp + fp + tn + fn, tp + tn
    wall = sum(j.reading.wall_s for j in done)
    escape, overkill = _share(fn, tp + fn), _share(fp, tn + fp)
    asked = [j.row.metrics.escalation_rate for j in done]
    weights = [j.row.images for j in done]
    energy = [energy_of(j.reading) for j in done]
    spent = [energy_per_correct_mwh(j.reading, _right(j)) for j in done]
    joined = None
    if right and len(set(energy)) == 1 and energy[0]:
        joined = sum(s * _right(j) for s, j in zip(spent, done, strict=True) if s is not None) / right
    return Pooled(
        images=images,
        errors=errors,
        accuracy=_share(right, images),
        balanced_accuracy=None if escape is None or overkill is None else 1 - (escape + overkill) / 2,
        escape_rate=escape,
        overkill_rate=overkill,
        escalation_rate=_weighed(asked, weights),
        total_s=wall,
        image_s=wall / max(images + errors, 1),
        gpu_util=_over_time(done, lambda j: j.reading.gpu_util_avg),
        gpu_power_w=_over_time(done, lambda j: j.reading.gpu_power_avg_w),
        mwh_per_correct=joined,
        energy_of=list(energy[0]) if len(set(energy)) == 1 else [],
        memory_gb=_over_time(done, lambda j: j.reading.cpu_memory_avg_gb),
    )


def compare_rows(done: Sequence[Judgement]) -> list[Test]:
    """Paired tests of ours against every other row of each set."""
    tests: list[Test] = []
    for dataset in dict.fromkeys(j.dataset for j in done):
        of_set = [j for j in done if j.dataset == dataset]
        rows = [row for row in ROWS if row != OURS and any(j.row.baseline == row for j in of_set)]
        if rows and any(j.row.baseline == OURS for j in of_set):
            plain = [_test(of_set, row) for row in rows]
            adjusted = holm([t.p for t in plain])
            tests += [msgspec.structs.replace(t, adjusted=a) for t, a in zip(plain, adjusted, strict=True)]
    return tests


def _test(done: Sequence[Judgement], row: str) -> Test:
    ours, other = _right_by_image(done, OURS), _right_by_image(done, row)
    keys = sorted(ours.keys() & other.keys())
    change = np.array([float(ours[k]) - float(other[k]) for k in keys])
    sums = np.column_stack([change, np.ones(len(keys))])
    drawn = resampled(sums, [sha for _, sha in keys])
    first = change[[seed == keys[0][0] for seed, _ in keys]]
    better, worse = int((first > 0).sum()), int((first < 0).sum())
    return Test(
        dataset=done[0].dataset,
        row=row,
        difference=float(change.mean()),
        interval=interval(drawn[:, 0] / drawn[:, 1]),
        better=better,
        worse=worse,
        p=mcnemar(worse, better),
        adjusted=1.0,
    )


def _right_by_image(done: Sequence[Judgement], row: str) -> dict[tuple[int, str], bool]:
    """(seed, sha256) -> whether the row's label is right."""
    return {
        (j.seed, v.sha256): v.label == v.truth
        for j in done
        if j.row.baseline == row
        for v in read_verdicts(verdicts_of(Path(j.row.run)))
    }


def _summary(mine: Sequence[Judgement]) -> Summary:
    seeds = {seed: pool([j for j in mine if j.seed == seed]) for seed in dict.fromkeys(j.seed for j in mine)}
    columns = {name: [getattr(p, name) for p in seeds.values()] for name in FIGURES}
    rows = [j.row for j in mine]
    return Summary(
        dataset=mine[0].dataset,
        row=rows[0].baseline,
        what=rows[0].what,
        model=_one_of([row.model for row in rows]),
        weights={name: sha for row in rows for name, sha in row.weights.items()},
        sizes=", ".join(dict.fromkeys(row.sizes for row in rows)),
        data=list(dict.fromkeys(j.data for j in mine)),
        seeds=seeds,
        mean={name: _mean(column) for name, column in columns.items()},
        deviation={name: _deviation(column) for name, column in columns.items()},
        notes=list(dict.fromkeys(note for row in rows for note in row.notes)),
    )


def _one_of(models: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(models))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} and {len(distinct) - 1} more fits"


def _counts(j: Judgement) -> tuple[int, int, int, int, int]:
    c = j.row.metrics.confusion
    return c.tp, c.fp, c.tn, c.fn, j.row.metrics.n_error


def _right(j: Judgement) -> int:
    return j.row.metrics.confusion.tp + j.row.metrics.confusion.tn


def _over_time(done: Sequence[Judgement], figure: Callable[[Judgement], float | None]) -> float | None:
    return _weighed([figure(j) for j in done], [j.reading.wall_s for j in done])


def _weighed(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """The weighted mean; None where any value is unknown."""
    known = [v for v in values if v is not None]
    return float(np.average(known, weights=weights)) if known and len(known) == len(values) else None


def _share(k: int, n: int) -> float | None:
    return k / n if n else None


def _mean(column: Sequence[float | None]) -> float | None:
    known = [v for v in column if v is not None]
    return float(np.mean(known)) if known else None


def _deviation(column: Sequence[float | None]) -> float | None:
    known = [v for v in column if v is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
