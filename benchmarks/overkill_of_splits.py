"""Which share of unseen goods a line rejects where 5 % is asked: over repeated random halves of its goods.

    python benchmarks/overkill_of_splits.py --data SET... [--procedural FAMILY...] [--splits 200]

Each split fits the detector to a random half of the goods, takes the threshold from that half's cross-fitted
scores, and judges the other half. Of a drawn line there are --goods frames, 1,000 by default. Features are
computed once. --minutes ends a set's splits when its share of the time is over, and the table says how many
there were.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from few_defects_line import AT_ONCE, judged_by_goods
from labelled_frames import Drawing, LabelledFrames, of_data_set, of_family

from saec.edge.learning.detector_learning import dealt_folds, goods_fit
from saec.schedule.statistics.threshold import threshold_for
from saec.settings import FitConfig
from saec.types import GOOD


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    config = FitConfig(side_px=args.side_px)
    drawing = Drawing(goods=args.goods, test_goods=0, defects=0, product=args.product)
    drawn = FitConfig(side_px=min(args.side_px, drawing.side))
    jobs = [(root, config) for root in args.data] + [(family, drawn) for family in args.procedural]
    print(
        f"asked: {args.overkill:.1%}\n\n| set | goods | splits | mean false rejects | error | least to most |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for source, chosen in jobs:
        data = isinstance(source, Path)
        frames = (
            of_data_set(source, chosen, args.work) if data else of_family(source, drawing, chosen, args.work)
        )
        goods = frames.chosen(GOOD, train=True)
        ends = time.monotonic() + 60 * args.minutes / len(jobs)
        rates = np.array(list(_rates(frames, goods, chosen, args, ends)))
        error = rates.std(ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else np.nan
        print(
            f"| {frames.name} | {len(goods)} | {len(rates)} | {rates.mean():.2%} | {error:.2%} | "
            f"{rates.min():.1%} to {rates.max():.1%} |",
            flush=True,
        )
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="data sets with goods in train")
    parser.add_argument("--procedural", nargs="*", default=[], metavar="FAMILY", help="drawn lines")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of all splits together")
    parser.add_argument("--overkill", type=float, default=0.05)
    parser.add_argument("--goods", type=int, default=1000, help="of a drawn line (default 1,000)")
    parser.add_argument("--product", type=int, default=2**31, help="seed of drawn products")
    parser.add_argument("--side-px", type=int, default=FitConfig().side_px)
    parser.add_argument("--work", type=Path, help="folder that keeps features for the next run")
    return parser


def _rates(
    frames: LabelledFrames, goods: list[int], config: FitConfig, args: argparse.Namespace, ends: float
) -> Iterator[float]:
    """The share of the other half that is rejected, split by split; one at least."""
    for split in range(args.splits):
        if split > 0 and time.monotonic() > ends:
            return
        order = [int(at) for at in np.random.default_rng([2, split]).permutation(goods)]
        half = len(order) // 2
        yield _rejected(frames, order[:half], order[half:], config, args.overkill)


def _rejected(
    frames: LabelledFrames, learned: list[int], judged: list[int], config: FitConfig, overkill: float
) -> float:
    taught = frames.taught(learned)
    goods = taught.frames(GOOD)
    folds, _ = dealt_folds(goods, [], config.folds)
    fit, scores = goods_fit(taught, goods, folds, config, None, lambda _what, _done, _of: None)
    threshold = threshold_for(scores, overkill)
    pieces = [judged[at : at + AT_ONCE] for at in range(0, len(judged), AT_ONCE)]
    found = [judged_by_goods(frames.features[piece], fit.model).score for piece in pieces]
    return float((np.concatenate(found) >= threshold).mean())


if __name__ == "__main__":
    sys.exit(main())
