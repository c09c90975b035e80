"""What few labelled defects teach a line: AUROC, balanced accuracy, false rejects and missed defects.

    python benchmarks/few_defects.py --data SET... [--procedural FAMILY...] [--leave-out-kinds]

For each data set and each number k of labelled defects: median, and least to most, over the draws. The line's
threshold comes from the cross-fitted scores of its goods. Labels are drawn from the set's train defects, and
its test split is judged; where there are none, from the test defects, and the other test images are judged.
The features of all images are computed once, and the goods are fitted once.

With --leave-out-kinds the defects of one kind are never labelled, each kind in turn: how much of it is caught
with k defects of the other kinds, less how much the line without labelled defects catches.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from few_defects_line import TaughtLine
from labelled_frames import Drawing, LabelledFrames, of_data_set, of_family
from numpy.typing import NDArray

from saec.schedule.statistics.auroc import auroc, auroc_interval
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD

LEAST_JUDGED = 5
"""Defects that must be left to judge."""


@dataclass(frozen=True)
class Row:
    """One draw.

    Attributes:
        set, k, draw: which.
        goods, defects: images judged.
        auroc, balanced, overkill, escape: with the labelled defects.
        auroc_without, balanced_without: of the same images without them.
        hot, full: the weights of the two heads.
    """

    set: str
    k: int
    draw: int
    goods: int
    defects: int
    auroc: float
    balanced: float
    overkill: float
    escape: float
    auroc_without: float
    balanced_without: float
    hot: float
    full: float


@dataclass(frozen=True)
class LeftOut:
    """Recall of a kind that was never labelled, with k defects of other kinds and without."""

    set: str
    k: int
    draw: int
    kind: str
    defects: int
    recall: float
    without: float


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    rows, left_out = list[Row](), list[LeftOut]()
    for frames in _sets(args):
        goods = frames.chosen(GOOD, train=True)
        print(f"\n{frames.name}: {len(goods)} goods to learn from\n", flush=True)
        line = TaughtLine(frames, goods, _config(args), args.overkill)
        if not args.only_left_out:
            found = list(_rows(frames, line, args))
            print(table(found), flush=True)
            rows += found
        if args.leave_out_kinds or args.only_left_out:
            missed = list(_left_out(frames, line, args))
            print(f"\n{kinds_table(missed)}", flush=True)
            left_out += missed
    if args.json:
        record = {"rows": [asdict(r) for r in rows], "left_out": [asdict(r) for r in left_out]}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if args.plot and rows:
        from few_defects_plot import write_plot

        write_plot([asdict(row) for row in rows], args.plot)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="data sets with goods in train")
    parser.add_argument("--procedural", nargs="*", default=[], metavar="FAMILY", help="drawn lines")
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 1, 5, 10, 20, 40])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--overkill", type=float, default=0.05, help="false rejects asked (default 0.05)")
    parser.add_argument("--leave-out-kinds", action="store_true", help="also recall of kinds never labelled")
    parser.add_argument("--only-left-out", action="store_true", help="that alone")
    parser.add_argument("--side-px", type=int, default=FitConfig().side_px)
    parser.add_argument("--memory-patches", type=int, default=FitConfig().memory_patches)
    parser.add_argument("--goods", type=int, default=200, help="train goods of a drawn line (default 200)")
    parser.add_argument("--product", type=int, default=2**31, help="seed of drawn products")
    parser.add_argument("--work", type=Path, help="folder that keeps features for the next run")
    parser.add_argument("--json", type=Path, help="write each draw")
    parser.add_argument("--plot", type=Path, help="draw the curves into FILE.png and FILE.svg")
    return parser


def _config(args: argparse.Namespace) -> FitConfig:
    return FitConfig(side_px=args.side_px, memory_patches=args.memory_patches)


def _sets(args: argparse.Namespace) -> Iterator[LabelledFrames]:
    for root in args.data:
        yield of_data_set(root, _config(args), args.work)
    drawing = Drawing(goods=args.goods, test_goods=200, defects=16, product=args.product)
    config = FitConfig(side_px=min(args.side_px, drawing.side))
    for family in args.procedural:
        yield of_family(family, drawing, config, args.work)


def _rows(frames: LabelledFrames, line: TaughtLine, args: argparse.Namespace) -> Iterator[Row]:
    """Each k and draw."""
    own = frames.chosen(DEFECT, train=True)
    goods, judged = frames.chosen(GOOD, train=False), frames.chosen(DEFECT, train=False)
    pool = own or judged
    for draw in range(args.draws):
        order = np.random.default_rng([0, draw]).permutation(pool)
        for k in args.counts:
            if (k == 0 and draw > 0) or k > len(pool) - (0 if own else LEAST_JUDGED):
                continue
            labelled = [int(at) for at in order[:k]]
            parts = {frames.frames[at].group for at in labelled}
            rest = [at for at in judged if frames.frames[at].group not in parts]
            yield _row(frames.name, line, labelled, goods, rest, (k, draw))


def _row(
    name: str, line: TaughtLine, labelled: list[int], goods: list[int], rest: list[int], at: tuple[int, int]
) -> Row:
    taught = line.taught(labelled)
    scores, bare = taught.scores, line.bare
    overkill = float((scores[goods] >= taught.threshold).mean())
    escape = float((scores[rest] < taught.threshold).mean())
    without = float(
        (bare.scores[goods] >= bare.threshold).mean() + (bare.scores[rest] < bare.threshold).mean()
    )
    return Row(
        set=name,
        k=at[0],
        draw=at[1],
        goods=len(goods),
        defects=len(rest),
        auroc=auroc(scores[goods], scores[rest]),
        balanced=1 - (overkill + escape) / 2,
        overkill=overkill,
        escape=escape,
        auroc_without=auroc(bare.scores[goods], bare.scores[rest]),
        balanced_without=1 - without / 2,
        hot=taught.weights[0],
        full=taught.weights[1],
    )


def _left_out(frames: LabelledFrames, line: TaughtLine, args: argparse.Namespace) -> Iterator[LeftOut]:
    """Each k, draw and kind that is left out."""
    pool = frames.chosen(DEFECT, train=True) or frames.chosen(DEFECT, train=False)
    kinds = sorted({frames.frames[at].kind for at in pool} - {""})
    for kind in kinds if len(kinds) > 1 else ():
        out = [at for at in pool if frames.frames[at].kind == kind]
        others = [at for at in pool if frames.frames[at].kind != kind]
        for draw in range(args.draws):
            order = np.random.default_rng([1, draw]).permutation(others)
            for k in args.counts:
                if 0 < k <= len(others):
                    taught, bare = line.taught([int(at) for at in order[:k]]), line.bare
                    recalls = [float((one.scores[out] >= one.threshold).mean()) for one in (taught, bare)]
                    yield LeftOut(frames.name, k, draw, kind, len(out), *recalls)


def table(rows: Sequence[Row]) -> str:
    """A line for each k."""
    lines = [
        "| k | AUROC | 95 % | less without | balanced accuracy | without | false rejects | 95 % "
        "| missed defects | 95 % | weights, hot and full |",
        "|" + "---|" * 11,
    ]
    for k in sorted({row.k for row in rows}):
        some = [row for row in rows if row.k == k]
        middle = sorted(some, key=lambda row: row.balanced)[len(some) // 2]
        area = auroc_interval(middle.auroc, middle.goods, middle.defects)
        rejected = clopper_pearson(round(middle.overkill * middle.goods), middle.goods)
        missed = clopper_pearson(round(middle.escape * middle.defects), middle.defects)
        gain = np.mean([row.auroc - row.auroc_without for row in some])
        cells = [
            str(k),
            _over([row.auroc for row in some]),
            _ends(area),
            f"{gain:+.4f}",
            _over([row.balanced for row in some]),
            f"{np.median([row.balanced_without for row in some]):.3f}",
            _over([row.overkill for row in some]),
            _ends(rejected),
            _over([row.escape for row in some]),
            _ends(missed),
            f"{np.median([row.hot for row in some]):.2f}, {np.median([row.full for row in some]):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds_table(found: Sequence[LeftOut]) -> str:
    """For each kind and k the mean change of recall over the draws; the last line is the mean over kinds."""
    if not found:
        return "no kinds to leave out"
    counts = sorted({one.k for one in found})
    lines = ["| left out | defects | without |" + "".join(f" k = {k} |" for k in counts)]
    lines.append("|" + "---|" * (3 + len(counts)))
    changes: dict[str, list[float]] = {}
    for kind in sorted({one.kind for one in found}):
        some = [one for one in found if one.kind == kind]
        changes[kind] = [_mean_change(some, k) for k in counts]
        values = "".join(f" {change:+.3f} |" for change in changes[kind])
        lines.append(f"| {kind} | {some[0].defects} | {some[0].without:.3f} |{values}")
    means = "".join(f" {value:+.3f} |" for value in np.nanmean(list(changes.values()), axis=0))
    return "\n".join([*lines, f"| mean | | |{means}"])


def _mean_change(found: Sequence[LeftOut], k: int) -> float:
    return float(np.mean([one.recall - one.without for one in found if one.k == k] or [np.nan]))


def _over(values: Sequence[float]) -> str:
    array: NDArray[Any] = np.array(values)
    if len(array) == 1:
        return f"{array[0]:.3f}"
    return f"{np.median(array):.3f} ({array.min():.3f} to {array.max():.3f})"


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
