"""How fast products are drawn: median CPU milliseconds per frame, one thread.

python benchmarks/procedural.py [--size 224] [--frames 30]
"""

from __future__ import annotations

import argparse
import statistics
import time

import cv2

from saec.data.procedural import FAMILIES, Product, draw_product


def median_ms(product: Product, kinds: list[str | None], frames: int, size: int) -> float:
    """Median CPU time of a frame; the kinds take turns."""
    times = []
    for i in range(frames):
        start = time.process_time()
        product.render(i, kinds[i % len(kinds)], 0.5, size)
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=224, help="side in pixels (default 224)")
    parser.add_argument("--frames", type=int, default=30, help="frames per family and column (default 30)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    good, defect = [], []
    print(f"{'family':18s} good ms  defect ms  (defect frames come with their good frame and mask)")
    for name in FAMILIES:
        product = draw_product(name, 0)
        product.render(0, product.kinds[0], 0.5, args.size)  # fills the noise cache
        good.append(median_ms(product, [None], args.frames, args.size))
        defect.append(median_ms(product, list(product.kinds), args.frames, args.size))
        print(f"{name:18s} {good[-1]:7.1f} {defect[-1]:10.1f}")
    means = statistics.mean(good), statistics.mean(defect)
    print(f"{'mean':18s} {means[0]:7.1f} {means[1]:10.1f}")
    print(f"{'frames per second':18s} {1e3 / means[0]:7.0f} {1e3 / means[1]:10.0f}")


if __name__ == "__main__":
    main()
