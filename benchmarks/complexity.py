"""Time of the scene complexity on one thread: ours, the seed's, and decoding beside them.

    python benchmarks/complexity.py [--repeat 300]

The frame is drawn (a textured plate with parts and sensor noise, fixed seed), so that the figures need no
data. Medians in milliseconds; the last column is ours as a share of decoding the frame's own JPEG.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from saec.scene import Complexity, features, fit_norm
from saec.types import Image
from saec_research.seed.seed_complexity import seed_complexity

SIDES = (256, 448, 1024)


def draw(side: int, seed: int = 0) -> Image:
    """A plate with brushed texture, forty round and square parts and sensor noise; side x side x 3 RGB."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (side, side)), (0, 0), side / 40, sigmaY=1)
    frame = np.repeat((130 + texture)[..., None], 3, axis=2).astype(np.float32)
    for _ in range(40):
        centre, size = rng.integers(0, side, 2), int(rng.integers(side // 60 + 1, side // 12))
        tone = rng.uniform(30, 220, 3).tolist()
        if rng.random() < 0.5:
            cv2.circle(frame, centre.tolist(), size, tone, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(frame, centre.tolist(), (centre + size).tolist(), tone, -1)
    return np.clip(frame + rng.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


def median_ms(call: Callable[[], object], repeat: int) -> float:
    """Median milliseconds of one call, after five that are not counted."""
    times = []
    for _ in range(repeat + 5):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[5:])


def row(side: int, repeat: int) -> str:
    """One line of the table, for a frame of side x side px."""
    frame = draw(side)
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    coded = {kind: cv2.imencode(kind, bgr)[1] for kind in (".jpg", ".png")}
    line = Complexity(fit_norm([features(draw(side, seed)) for seed in range(5)]))
    ours = median_ms(lambda: line.of(frame), repeat)
    seeds = median_ms(lambda: seed_complexity(frame), repeat)
    jpeg, png = (median_ms(partial(cv2.imdecode, data, cv2.IMREAD_COLOR), repeat) for data in coded.values())
    return f"{side:>6}{ours:>9.2f}{seeds:>9.2f}{jpeg:>9.2f}{png:>9.2f}{ours / jpeg:>14.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="time of the scene complexity on one thread")
    parser.add_argument("--repeat", type=int, default=300)
    repeat = parser.parse_args().repeat
    cv2.setNumThreads(1)
    print(f"{'side':>6}{'ours':>9}{'seed':>9}{'JPEG':>9}{'PNG':>9}{'ours / JPEG':>14}   (ms, one thread)")
    for side in SIDES:
        print(row(side, repeat))


if __name__ == "__main__":
    main()
