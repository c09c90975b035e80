"""Where the time of a frame goes at the edge, as ratios to the bare feature graph.

    python benchmarks/edge_speed.py --data DATASET
    python benchmarks/edge_speed.py --data DATASET --line LINE

Fits a line for each side, or takes the lines given, and times each step of a frame in one process. Rounds
are interleaved: every step in turn over the same frames, so that what else the machine does falls on all. A
ratio is the median of the rounds' ratios, each of two medians. The denominator is the feature graph of the
first version (``first_features``), alone on a frame that is ready.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import get_args

import cv2
import numpy as np
from edge_contestants import THREADS, first_features, fitted_line, machine_name, spread

import saec
from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.data.items import Item, stated_kind
from saec.edge.detector import PatchDetector
from saec.edge.graph import GRAPH, compile_graph
from saec.edge.learning.head.detector_graph import features_of
from saec.edge.preparation import prepare
from saec.frame.assessment import assess, decode_frame, measure_complexity, read_frame
from saec.frame.verdicts import Rules
from saec.profile import LineProfile
from saec.scene.complexity import Complexity
from saec.settings import FitConfig, Precision
from saec.types import DEFECT, GOOD, Source

BARE, ALL, LOOP = "bare feature graph", "decode + complexity + detect", "the same in a run: hash, assess"
HEADS = "graph with heads for defects and kinds (ratio: to the graph without)"

Step = Callable[[int], object]
"""Does its part of one frame, by the frame's number."""


@dataclass(frozen=True)
class Row:
    """One step's figures."""

    side: str
    step: str
    ms_p50: float
    ms_p95: float
    ratio: float


def main(argv: list[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    cv2.setNumThreads(THREADS)
    dataset = open_dataset(args.data)
    frames = spread([item.path for item in dataset.holdout()], args.frames)
    goods = spread([item.path for item in dataset.select("train", GOOD)], args.goods)
    lines = [LineProfile.open(line) for line in args.line] or [
        fitted_line(args.work / f"{dataset.name}-{side}-{args.dtype}", goods, side, args.dtype)
        for side in args.sides
    ]
    print(
        f"{dataset.name}: {args.rounds} rounds of {len(frames)} frames, {THREADS} threads; {machine_name()}"
    )
    rows = [row for line in lines for row in _race(line, frames, args.rounds)]
    if defects := [item for item in dataset.items if item.label == DEFECT]:
        rows += [_heads(line, defects, frames, args) for line in lines]
    print(_table(rows))
    if args.json:
        args.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Where the time of a frame goes at the edge.")
    parser.add_argument("--data", type=Path, required=True, help="data set with train goods and test images")
    parser.add_argument("--line", type=Path, action="append", default=[], help="lines to time; else fitted")
    parser.add_argument("--sides", type=int, nargs="+", default=[448, 320], help="input sizes in pixels")
    parser.add_argument("--dtype", choices=get_args(Precision), default=FitConfig().dtype)
    parser.add_argument("--goods", type=int, default=40, help="good images to fit on; 0 is all")
    parser.add_argument("--frames", type=int, default=24, help="test images per round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-edge-speed"), help="the lines")
    parser.add_argument("--json", type=Path, help="write the table as JSON")
    return parser


def _steps(profile: LineProfile, files: list[Path]) -> dict[str, Step]:
    """Name -> step; what a step needs of earlier ones is made beforehand."""
    preparation = profile.line.preparation
    detector, complexity = PatchDetector(profile), Complexity(profile.line.complexity)
    rules = Rules(profile.line.name, profile.calibration, frame=preparation.frame)
    line = profile.line.detector
    whole_graph = compile_graph(profile.folder / GRAPH, line.precision, line.threads).create_infer_request()
    bare = first_features(preparation.height, preparation.width)
    features = _features(profile)
    images = [read_image(file, bits=preparation.bits) for file in files]
    ready = [prepare(image, preparation) for image in images]

    def whole(k: int) -> object:
        image = read_image(files[k], bits=preparation.bits)
        return complexity.of(image), detector.inspect([image])

    def loop(k: int) -> object:
        frame = decode_frame(read_frame(Source(id=str(k), path=str(files[k]))), bits=preparation.bits)
        return assess(measure_complexity(frame, complexity.of), detector, rules)

    return {
        BARE: lambda _: bare(),
        "features of the line": lambda k: features(ready[k]),
        "decode": lambda k: read_image(files[k], bits=preparation.bits),
        "complexity": lambda k: complexity.of(images[k]),
        "prepare": lambda k: prepare(images[k], preparation),
        "graph: features, map, score": lambda k: whole_graph.infer({0: ready[k][None]}, share_inputs=True),
        "detect: prepare, graph": lambda k: detector.inspect([images[k]]),
        ALL: whole,
        LOOP: loop,
    }


def _heads(profile: LineProfile, defects: Sequence[Item], files: list[Path], args: argparse.Namespace) -> Row:
    """The graph of the line once it was taught these defects, in turns with the line's own graph."""
    taught, after = args.work / "defects", args.work / "taught"
    for folder in (taught, after):
        shutil.rmtree(folder, ignore_errors=True)
    for number, item in enumerate(defects):
        kind = taught / (stated_kind(item.kind) or "defect")
        kind.mkdir(parents=True, exist_ok=True)
        (kind / f"{number:04d}{item.path.suffix}").symlink_to(item.path.resolve())
    line = saec.Line.open(profile.folder).teach(defects=taught, out=after).profile
    learned = {name: round(weight, 2) for name, weight in line.line.detector.params.items()}
    print(f"taught {len(defects)} defects: {learned}; kinds: {', '.join(line.line.kinds) or 'none'}")
    images = [read_image(file, bits=profile.line.preparation.bits) for file in files]
    ready = [prepare(image, profile.line.preparation)[None] for image in images]

    def graph(one: LineProfile) -> Step:
        detector = one.line.detector
        request = compile_graph(
            one.folder / GRAPH, detector.precision, detector.threads, detector.device
        ).create_infer_request()
        return lambda k: request.infer({0: ready[k]}, share_inputs=True)

    steps = {"without": graph(profile), HEADS: graph(line)}
    return _ratios(profile, steps, len(files), args.rounds)[1]


def _features(profile: LineProfile) -> Callable[[np.ndarray], object]:
    """The line's feature graph alone."""
    detector = profile.line.detector
    model = features_of(profile.folder / GRAPH)
    graph = compile_graph(model, detector.precision, detector.threads, detector.device)
    request = graph.create_infer_request()
    return lambda frame: request.infer({0: frame[None]}, share_inputs=True)


def _race(profile: LineProfile, files: list[Path], rounds: int) -> list[Row]:
    return _ratios(profile, _steps(profile, files), len(files), rounds)


def _ratios(profile: LineProfile, steps: dict[str, Step], frames: int, rounds: int) -> list[Row]:
    """Times in interleaved rounds, and their ratios to the first step."""
    ms = np.array([[_timed(step, frames) for step in steps.values()] for _ in range(rounds + 1)])[1:]
    medians = np.median(ms, axis=2)
    ratios = np.median(medians / medians[:, :1], axis=0)
    side = f"{profile.line.preparation.width} x {profile.line.preparation.height}"
    return [
        Row(side, name, float(np.median(ms[:, k])), float(np.quantile(ms[:, k], 0.95)), float(ratios[k]))
        for k, name in enumerate(steps)
    ]


def _timed(step: Step, frames: int) -> list[float]:
    """Milliseconds of each frame."""
    times = []
    for k in range(frames):
        start = perf_counter()
        step(k)
        times.append((perf_counter() - start) * 1e3)
    return times


def _table(rows: list[Row]) -> str:
    lines = ["| input | step | ms p50 | ms p95 | times the bare graph |", "|---|---|---|---|---|"]
    return "\n".join(
        [
            *lines,
            *(f"| {r.side} | {r.step} | {r.ms_p50:.2f} | {r.ms_p95:.2f} | {r.ratio:.2f} |" for r in rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
