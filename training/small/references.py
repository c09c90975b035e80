"""What references and views do for the small checkpoint: the table of docs/models.md.

Fresh procedural products, goods and defects in equal number, each frame asked about in every way. The last
column is the paired difference in accuracy to one reference and one view, with a bootstrap over products.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from evaluate import FIRST_SEED, Case, cases_of, figures
from numpy.typing import NDArray

from saec.cloud import open_engine
from saec.cloud.checkpoints.checkpoint_folder import find_checkpoint, read_card
from saec.data.procedural import FAMILIES, HELD_OUT
from saec.schedule.statistics.paired import interval, resampled
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame

Array = NDArray[np.float64]

WAYS = ((0, 1), (0, 4), (1, 1), (1, 2), (1, 4), (2, 1), (4, 1), (4, 4))
"""References and views."""

DRAWS = 10_000


def judged(groups: Sequence[Sequence[Case]], references: int, views: int, args: argparse.Namespace) -> Array:
    """P(defect) of each case of all groups."""
    cases = [c for group in groups for c in group]
    engine = open_engine(
        CloudConfig(
            model=args.model,
            batch=args.batch,
            references=max(1, references),
            views=views,
            dtype="float32",
            device=args.device,
        )
    )
    asked = [CloudQuery(Frame(f"{i}", c.image), c.references[:references]) for i, c in enumerate(cases)]
    return np.array([o.p_defect for o in engine.judge(asked)])


def gained(groups: Sequence[Sequence[Case]], now: Array, before: Array) -> tuple[float, float, float]:
    """Difference in accuracy at P = 0.5, with its 95 % interval over products; each group is a product's."""
    truth = np.array([c.defect for group in groups for c in group])
    more = ((now >= 0.5) == truth).astype(float) - ((before >= 0.5) == truth)
    products = [f"{n:06d}" for n, group in enumerate(groups) for _ in group]
    sums = resampled(np.column_stack((more, np.ones(len(more)))), products, draws=DRAWS)
    return float(more.mean()), *interval(sums[:, 0] / sums[:, 1])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="small")
    parser.add_argument("--products", type=int, default=3, help="per family")
    parser.add_argument("--difficulty", type=float, default=0.5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    size = read_card(find_checkpoint(args.model)).side
    most = max(references for references, _ in WAYS)
    jobs = [
        (family, FIRST_SEED + i, most, (args.difficulty,) * 3, size)
        for i in range(args.products)
        for family in sorted(FAMILIES)
    ]
    with mp.get_context("spawn").Pool(args.workers) as pool:
        groups = [group for group in pool.map(cases_of, jobs, chunksize=4) if group]
    cases = [c for group in groups for c in group]
    base = judged(groups, 1, 1, args)
    found: list[dict[str, Any]] = []
    print(f"{len(cases)} frames of {len(groups)} products\n")
    print(
        "| references | views | passes | seen: accuracy | AUROC | held out: accuracy | AUROC | over 1 and 1 |"
    )
    print(f"|{'---|' * 8}")
    for references, views in WAYS:
        p = base if (references, views) == (1, 1) else judged(groups, references, views, args)
        row: dict[str, Any] = {"references": references, "views": views}
        for name, held in (("seen", False), ("held_out", True)):
            mine = [i for i, c in enumerate(cases) if (c.family in HELD_OUT) == held]
            row[name] = figures([cases[i] for i in mine], p[mine])
        row["over_one"] = gained(groups, p, base)
        found.append(row)
        print(_row(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _row(row: dict[str, Any]) -> str:
    rates = [f"{100 * row[of]['accuracy']:.1f} % | {row[of]['auroc']:.3f}" for of in ("seen", "held_out")]
    gain, low, high = (100 * value for value in row["over_one"])
    over = f"{gain:+.1f} ({low:+.1f} to {high:+.1f})" if (row["references"], row["views"]) != (1, 1) else ""
    passes = max(1, row["references"]) * row["views"]
    return f"| {row['references']} | {row['views']} | {passes} | {rates[0]} | {rates[1]} | {over} |"


if __name__ == "__main__":
    raise SystemExit(main())
