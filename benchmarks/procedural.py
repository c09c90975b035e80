"""How fast products are drawn, and with --edge how hard they are for the edge detector.

python benchmarks/procedural.py [--size 224] [--frames 30]
python benchmarks/procedural.py --edge [--variations 0 0.5] [--difficulties 0.2 0.5 0.8] [--json F]

Without --edge: median CPU milliseconds per frame, one thread. With it: image AUROC of the default
detector by family and by kind of defect. What is judged is kept in --work; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2

from saec.data.procedural import FAMILIES, Product, draw_product


def main() -> None:
    args = _arguments().parse_args()
    cv2.setNumThreads(1)
    if args.edge:
        edge(args)
    else:
        speed(args.size, args.frames)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", "--side", type=int, default=224, help="side in pixels (default 224)")
    parser.add_argument("--frames", type=int, default=30, help="frames per family and column (default 30)")
    parser.add_argument("--edge", action="store_true", help="AUROC of the edge detector instead of speed")
    edge = parser.add_argument_group("with --edge")
    edge.add_argument("--families", nargs="+", choices=sorted(FAMILIES), metavar="NAME", help="default all")
    edge.add_argument("--goods", type=int, default=40, help="goods that a line is fitted on (default 40)")
    edge.add_argument("--test-goods", type=int, default=40, help="fresh goods per line (default 40)")
    edge.add_argument("--defects", type=int, default=4, help="per kind and difficulty (default 4)")
    edge.add_argument("--difficulties", type=float, nargs="+", default=[0.2, 0.5, 0.8])
    edge.add_argument("--variations", type=float, nargs="+", default=[0.0, 0.5])
    edge.add_argument("--product", type=int, default=2**31, help="seed of the product (default 2^31)")
    edge.add_argument("--folds", type=int, default=5, help="of the fit (default 5; saec fit takes 20)")
    edge.add_argument("--work", type=Path, default=Path("runs/benchmark-procedural"), help="what is kept")
    edge.add_argument("--json", type=Path, help="write the figures")
    edge.add_argument("--markdown", type=Path, help="write the tables")
    return parser


def edge(args: argparse.Namespace) -> None:
    """Measure what is missing, print the tables, write them if asked."""
    from procedural_edge import Plan, markdown, measure, tables

    from saec.profile import write_json

    plan = Plan(
        goods=args.goods,
        test_goods=args.test_goods,
        defects=args.defects,
        side=args.size,
        product=args.product,
        folds=args.folds,
        difficulties=tuple(args.difficulties),
    )
    judged = measure(plan, args.variations, args.families or FAMILIES, args.work)
    result = tables(plan, judged)
    text = markdown(result)
    print(text)
    if args.json:
        write_json(args.json, result)
    if args.markdown:
        args.markdown.write_text(text + "\n", encoding="utf-8")


def speed(size: int, frames: int) -> None:
    """Print the table of drawing times."""
    good, defect = [], []
    print(f"{'family':18s} good ms  defect ms  (defect frames come with their good frame and mask)")
    for name in FAMILIES:
        product = draw_product(name, 0)
        product.render(0, product.kinds[0], 0.5, size)  # fills the noise cache
        good.append(median_ms(product, [None], frames, size))
        defect.append(median_ms(product, list(product.kinds), frames, size))
        print(f"{name:18s} {good[-1]:7.1f} {defect[-1]:10.1f}")
    means = statistics.mean(good), statistics.mean(defect)
    print(f"{'mean':18s} {means[0]:7.1f} {means[1]:10.1f}")
    print(f"{'frames per second':18s} {1e3 / means[0]:7.0f} {1e3 / means[1]:10.0f}")


def median_ms(product: Product, kinds: list[str | None], frames: int, size: int) -> float:
    """Median CPU time of a frame; the kinds take turns."""
    times = []
    for i in range(frames):
        start = time.process_time()
        product.render(i, kinds[i % len(kinds)], 0.5, size)
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


if __name__ == "__main__":
    main()
