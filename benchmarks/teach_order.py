"""Whether frames taught a few at a time, in any order, give what one fit on all of them gives.

    python benchmarks/teach_order.py [--family gear] [--goods 80] [--defects 12] [--judged 1000] [--at-once 4]

A drawn product: a line of half of the goods is taught the other half and the defects, in a random order. A
second line learns all at once. Both judge the same new frames: how many labels are the same, and how far
scores lie apart, as a share of the distance from the median good to the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import saec
from saec.data.procedural import draw_product
from saec.edge import open_detector
from saec.settings.keyword_fields import FitFields


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", default="gear")
    parser.add_argument("--goods", type=int, default=80)
    parser.add_argument("--defects", type=int, default=12)
    parser.add_argument("--judged", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=4, help="frames that one teaching takes")
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    product = draw_product(options.family, options.seed)
    rng = np.random.default_rng(options.seed)

    def picture(number: int, defect: bool) -> np.ndarray:
        kind = product.kinds[number % len(product.kinds)] if defect else None
        return product.render(number, kind=kind, difficulty=0.5, size=options.side_px).image

    frames = [("goods", number) for number in range(options.goods)]
    frames += [("defects", 10_000 + number) for number in range(options.defects)]
    first, later = frames[: options.goods // 2], frames[options.goods // 2 :]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)

        def folders(chosen: list[tuple[str, int]], name: str) -> dict[str, Any]:
            found = {}
            for label, number in chosen:
                found[label] = work / name / f"{label}-photos" / "new"
                found[label].mkdir(parents=True, exist_ok=True)
                pixels = np.ascontiguousarray(picture(number, label == "defects")[..., ::-1])
                cv2.imwrite(str(found[label] / f"{number}.png"), pixels)
            return found

        settings = FitFields(side_px=options.side_px, overkill_rate=0.05)
        line = saec.fit(goods=folders(first, "first")["goods"], out=work / "line", **settings)
        order = [later[at] for at in rng.permutation(len(later))]
        for step, start in enumerate(range(0, len(order), options.at_once)):
            given = folders(order[start : start + options.at_once], f"step-{step}")
            line = line.teach(**given, out=work / f"version-{step}")
        every = folders(frames, "all")
        whole = saec.fit(goods=every["goods"], out=work / "goods-alone", **settings)
        whole = whole.teach(defects=every["defects"], out=work / "whole")
        detectors = [open_detector(one.profile) for one in (line, whole)]
        opinions = []
        for number in range(20_000, 20_000 + options.judged):
            image = picture(number, number % 2 == 1)
            opinions.append([detector.inspect([image])[0] for detector in detectors])
        same = np.mean([one.label == other.label for one, other in opinions])
        apart = np.array([abs(one.score - other.score) for one, other in opinions])
        unit = whole.threshold - np.median(whole.profile.calibration.goods)
        print(f"{options.family}: {step + 1} teachings, {options.judged} frames judged")
        print(f"the same label: {same:.2%}")
        print(
            f"scores apart: median {np.median(apart) / unit:.2%}, 99 % within "
            f"{np.quantile(apart, 0.99) / unit:.2%} of the way from the median good to the threshold"
        )


if __name__ == "__main__":
    main()
