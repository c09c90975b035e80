"""How long a fit and a teaching take, as times of decoding and features of the same images in the same run.

    python benchmarks/fit_speed.py --data DATASET [--rounds 3] [--teach 20]

Decoding and features alone, the whole fit and the whole teaching take turns; a ratio is the median over the
rounds. The feature graph is made beforehand, as it is at every fit but the first on a machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import saec
from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.edge.graph import compile_graph
from saec.edge.learning.head.detector_graph import features_of
from saec.edge.preparation import prepare
from saec.types import DEFECT, GOOD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--teach", type=int, default=20, help="frames that a line is taught")
    parser.add_argument("--side-px", type=int, default=448)
    options = parser.parse_args()
    goods = open_dataset(options.data).select("train", GOOD)
    defects = [item for item in open_dataset(options.data).items if item.label == DEFECT]
    half = options.teach // 2
    new = [*goods[-half:], *defects[: options.teach - half]]
    print(f"{options.data.name}: {len(goods)} goods; {len(new)} frames to teach", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        all_goods, fewer = _folder(work / "all", goods), _folder(work / "fewer", goods[:-half])
        taught_goods, taught_defects = _folder(work / "new", goods[-half:]), _folder(work / "bad", new[half:])
        first = saec.fit(goods=fewer, out=work / "first", side_px=options.side_px)
        rows: list[tuple[float, float, float, float]] = []
        for _ in range(options.rounds):
            plain = _features(first, goods)
            began = time.perf_counter()
            saec.fit(goods=all_goods, out=work / "line", side_px=options.side_px, force=True)
            fit = time.perf_counter() - began
            few = _features(first, new)
            began = time.perf_counter()
            first.teach(goods=taught_goods, defects=taught_defects, out=work / "next")
            teach = time.perf_counter() - began
            shutil.rmtree(work / "next")
            rows.append((plain, fit, few, teach))
            print(
                f"features {plain:.2f} s, fit {fit:.2f} s; features {few:.2f} s, teach {teach:.2f} s",
                flush=True,
            )
    print(f"fit / features: {_median(fit / plain for plain, fit, _, _ in rows):.2f}")
    print(f"teach - 2 x features: {_median(teach - 2 * few for _, _, few, teach in rows):.2f} s")


def _features(line: saec.Line, items: Sequence[Item]) -> float:
    """Seconds of decoding, preparing and features of these images, one after the other."""
    detector, preparation = line.profile.line.detector, line.profile.line.preparation
    model = features_of(line.folder / "detector.xml")
    graph = compile_graph(model, detector.precision, detector.threads)
    began = time.perf_counter()
    for item in items:
        graph(prepare(read_image(item.path), preparation)[None])
    return time.perf_counter() - began


def _folder(folder: Path, items: Sequence[Item]) -> Path:
    folder.mkdir(parents=True)
    for number, item in enumerate(items):
        (folder / f"{number:04d}{item.path.suffix}").symlink_to(item.path.resolve())
    return folder


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
