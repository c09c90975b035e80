"""Milliseconds per frame and image AUROC at the edge: saec, its bare graph, the seed's branch, anomalib.

    python benchmarks/edge.py --data DATASET [--yolo FILE] [--anomalib VENV]

All contestants get the same good images, the same test images from disk, two threads and float32; saec and
anomalib also the same backbone (EfficientNet-Lite0) and the same input size. They are timed in interleaved
rounds, so that what else the machine does falls on all; a ratio is the median of the rounds' ratios. Ours is
fitted anew each time; anomalib's graph, whose selection takes minutes, is kept in --work and used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from edge_contestants import (
    THREADS,
    Contestant,
    anomalib,
    auroc,
    bare_graph,
    fitted_line,
    machine_name,
    ours,
    seed,
    spread,
)

from saec.data.dataset import Dataset, open_dataset
from saec.types import DEFECT, GOOD


@dataclass(frozen=True)
class Row:
    """One contestant's figures: ms per frame, times of the first contestant, image AUROC."""

    side: int
    name: str
    ms_p50: float
    ms_p95: float
    ratio: float
    image_auroc: float | None
    note: str


def main(argv: list[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    cv2.setNumThreads(THREADS)
    dataset = open_dataset(args.data)
    goods = spread([i.path for i in dataset.select("train", GOOD)], args.goods)
    test = [i for i in dataset.holdout() if i.label is not None]
    files, labels = [i.path for i in test], [int(i.label == DEFECT) for i in test]
    frames = spread(files, args.frames)
    print(f"{dataset.name}: {len(goods)} goods to fit, {len(files)} test images", flush=True)
    print(
        f"{args.rounds} rounds of {len(frames)} frames, {THREADS} threads, float32; {machine_name()}",
        flush=True,
    )
    rows = []
    for side in args.sides:
        contestants = _contestants(args, dataset, goods, side)
        rows += _race(contestants, files, labels, frames, args.rounds, side)
    print(_table(rows))
    if args.json:
        args.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Edge detectors, timed and judged on one data set.")
    parser.add_argument("--data", type=Path, required=True, help="data set with train goods and test images")
    parser.add_argument("--sides", type=int, nargs="+", default=[320, 448], help="input sizes in pixels")
    parser.add_argument("--goods", type=int, default=80, help="good images that all are fitted on; 0 is all")
    parser.add_argument("--frames", type=int, default=24, help="test images per timed round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--yolo", type=Path, help="weights of the seed's branch, e.g. yolo11n-cls.tflite")
    parser.add_argument("--anomalib", type=Path, metavar="VENV", help="venv made by anomalib_env.sh")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-edge"), help="what is kept")
    parser.add_argument("--json", type=Path, help="write the table as JSON")
    return parser


def _contestants(
    args: argparse.Namespace, dataset: Dataset, goods: list[Path], side: int
) -> list[Contestant]:
    content = "\n".join(str(g.resolve()) for g in goods)
    work = args.work / f"{dataset.name}-{side}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    profile = fitted_line(work, goods, side)
    p = profile.line.preparation
    found = [ours(profile), bare_graph(profile)]
    if args.yolo is None:
        print("the seed's branch is left out: no --yolo", flush=True)
    else:
        found.append(seed(args.yolo, goods, work / "seed"))
    if args.anomalib is None:
        print("anomalib is left out: no --anomalib (make its venv with anomalib_env.sh)", flush=True)
    else:
        found.append(anomalib(args.anomalib / "bin/python", goods, (p.height, p.width), work / "anomalib"))
    return found


def _race(
    contestants: list[Contestant],
    files: list[Path],
    labels: list[int],
    timed: list[Path],
    rounds: int,
    side: int,
) -> list[Row]:
    """Score every test image once (which also warms up), then time the rounds."""
    quality = [auroc(c.judge(files)[1], labels) if c.scores else None for c in contestants]
    ms = np.array([[c.judge(timed)[0] for c in contestants] for _ in range(rounds)])
    medians = np.median(ms, axis=2)
    ratios = np.median(medians / medians[:, :1], axis=0)
    return [
        Row(
            side=side,
            name=c.name,
            ms_p50=float(np.median(ms[:, k])),
            ms_p95=float(np.quantile(ms[:, k], 0.95)),
            ratio=float(ratios[k]),
            image_auroc=quality[k],
            note=c.note,
        )
        for k, c in enumerate(contestants)
    ]


def _table(rows: list[Row]) -> str:
    lines = [
        "| side | what | ms p50 | ms p95 | times saec | image AUROC | |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        quality = "" if r.image_auroc is None else f"{r.image_auroc:.4f}"
        figures = f"{r.ms_p50:.1f} | {r.ms_p95:.1f} | {r.ratio:.2f} | {quality}"
        lines.append(f"| {r.side} | {r.name} | {figures} | {r.note} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
