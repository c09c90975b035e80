"""What fewer bits do to P(defect) and to the labels, on fresh drawn products.

    python benchmarks/precision.py --frames 600 --dtypes bfloat16,fp8,4bit

Each arithmetic is compared with float32 on the same frames, one reference each: the difference of P(defect)
at the median, at its 99th percentile and at most, and the share of labels at P = 0.5 that flip. On a CPU
eight bits are emulated: the same values, multiplied in float32.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
from collections.abc import Sequence

import cv2
import numpy as np

from saec.cloud import open_engine
from saec.data.procedural import FAMILIES, draw_product
from saec.errors import DataError
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame

FIRST_SEED = 2**31 + 5_000_000
"""Products that neither training nor the data card has seen."""


def drawn(job: tuple[str, int, int]) -> list[CloudQuery]:
    """A good and a defect of one product, with a reference."""
    cv2.setNumThreads(1)
    family, seed, side = job
    product = draw_product(family, seed)
    rng = np.random.default_rng(seed)
    reference = product.render(0, size=side).image
    kind = product.kinds[int(rng.integers(len(product.kinds)))]
    images = [product.render(1, size=side).image]
    try:
        images.append(product.render(101, kind, float(rng.uniform(0.2, 0.8)), side).image)
    except DataError:
        return []  # this kind shows nowhere on this product
    return [CloudQuery(Frame(f"{family} {seed}", image), (reference,)) for image in images]


def queries(count: int, side: int, workers: int) -> list[CloudQuery]:
    """That many frames, the families in turn."""
    families = sorted(FAMILIES)
    jobs = [(families[n % len(families)], FIRST_SEED + n, side) for n in range(count)]
    with mp.Pool(workers) as pool:
        found = [query for pair in pool.imap(drawn, jobs[: count // 2 + 20]) for query in pair]
    return found[:count]


def scores(model: str, dtype: str, device: str, asked: Sequence[CloudQuery]) -> np.ndarray:
    """P(defect) of each query."""
    engine = open_engine(CloudConfig(model=model, dtype=dtype, device=device, batch=16))  # type: ignore[arg-type]
    return np.array([opinion.p_defect for opinion in engine.judge(list(asked))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="small")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--side", type=int, default=448, help="of the drawn frames, pixels")
    parser.add_argument("--dtypes", default="bfloat16,fp8,4bit")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    asked = queries(args.frames, args.side, args.workers)
    exact = scores(args.model, "float32", args.device, asked)
    print(
        f"{args.model}, {len(asked)} frames",
        "| arithmetic | median | p99 | most | labels that flip |",
        sep="\n",
    )
    print("|---|---|---|---|---|")
    for dtype in args.dtypes.split(","):
        p = scores(args.model, dtype, args.device, asked)
        d, flips = np.abs(p - exact), int(((p >= 0.5) != (exact >= 0.5)).sum())
        share = f"{flips} ({100 * flips / len(p):.1f} %)"
        print(
            f"| {dtype} | {np.median(d):.4f} | {np.quantile(d, 0.99):.4f} | {d.max():.4f} | {share} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
