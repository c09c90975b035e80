"""Which changes of a camera a challenge finds by the pictures alone, and how often it cries wolf.

python benchmarks/challenge.py [--families bolt leather] [--runs 200] [--parts 10] [--json F]
python benchmarks/challenge.py --data DATASET [DATASET ...]

Golden parts are pinned, and seen again by a camera that has changed. Every label is taken as right: what is
counted is how often the conditions of the pictures (docs/challenge.md) fail the run. A good set again, with
small noise of the camera and a lamp that varies by 1 %, is the false alarm rate; its interval is exact. Rows
that begin with "set" are of sets that were pinned from changed pictures: the references alone tell.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.procedural import FAMILIES, draw_product
from saec.errors import DataError
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.station.challenge.condition_checks import PairedPicture, check_conditions, check_goods, goods_spread
from saec.station.challenge.picture_look import PictureLook, picture_look
from saec.types import DEFECT, GOOD, Image

Change = Callable[[Image, np.random.Generator], Image]

REFERENCES = 4
"""Pictures of goods that a line profile keeps by default."""

_SIDE = 1024
"""Longer side to which photographs are reduced, so that they are read once and fast."""


@dataclass(frozen=True)
class Line:
    """The pictures of a product.

    Attributes:
        goods: the golden goods, then the references.
        defects: the golden defects.
    """

    name: str
    goods: list[Image]
    defects: list[Image]


def main() -> None:
    args = _arguments().parse_args()
    cv2.setNumThreads(1)
    lines = [*(_photographed(root, args.parts) for root in args.data)]
    if not lines:
        lines = [_drawn(name, args.parts, args.product_seed) for name in args.families or sorted(FAMILIES)]
    table = {line.name: _measure(line, lines[n - 1], args.runs) for n, line in enumerate(lines)}
    _print(table, args.runs)
    if args.json is not None:
        args.json.write_text(json.dumps(table, indent=1))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=sorted(FAMILIES), metavar="NAME", help="default all")
    parser.add_argument("--data", nargs="+", type=Path, default=[], help="data sets in their place")
    parser.add_argument("--parts", type=int, default=10, help="golden goods, and golden defects (default 10)")
    parser.add_argument("--runs", type=int, default=20, help="runs of the unchanged camera (default 20)")
    parser.add_argument("--product-seed", type=int, default=0, help="draws other products (default 0)")
    parser.add_argument("--json", type=Path, help="write the figures")
    return parser


def _drawn(family: str, parts: int, product_seed: int) -> Line:
    product = draw_product(family, 2**31 + product_seed)
    goods = [product.render(seed).image for seed in range(parts + REFERENCES)]
    defects: list[Image] = []
    for seed in range(1000, 1000 + 20 * parts):
        if len(defects) == parts:
            break
        try:
            kind = product.kinds[seed % len(product.kinds)]
            defects.append(product.render(seed, kind, 0.3).image)
        except DataError:  # it shows nowhere on this product
            continue
    return Line(family, goods, defects)


def _photographed(root: Path, parts: int) -> Line:
    dataset = open_dataset(root)
    goods = [item for item in dataset.select("train") if item.label == GOOD]
    defects = [item for item in [*dataset.holdout(), *dataset.select("train")] if item.label == DEFECT]
    rng = np.random.default_rng(0)

    def chosen(items: Sequence[Item], count: int) -> list[Image]:
        picked = rng.permutation(len(items))[:count]
        return [_reduced(read_image(items[n].path)) for n in picked]

    return Line(dataset.name, chosen(goods, parts + REFERENCES), chosen(defects, parts))


def _reduced(image: Image) -> Image:
    scale = _SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def changes() -> Iterator[tuple[str, Change]]:
    """What may happen to a camera, by severity; each with the noise of a camera (2 grey values)."""
    for factor in (0.95, 0.9, 0.8, 0.6, 1.15):
        yield f"dimmed x{factor:g}", _with(dimmed, factor)
    for sigma in (0.5, 1.0, 2.0, 3.0):
        yield f"blurred {sigma:g} px of 256", _with(blurred, sigma)
    for share in (0.005, 0.02, 0.05, 0.1):
        yield f"shifted {share:.1%}", _with(shifted, share)


def _with(change: Callable[[Image, float], Image], severity: float) -> Change:
    return lambda image, rng: noisy(change(image, severity), rng)


def noisy(image: Image, rng: np.random.Generator, sigma: float = 2.0) -> Image:
    """With Gaussian noise of so many grey values."""
    return _bytes(image + rng.normal(0, sigma, image.shape))


def dimmed(image: Image, factor: float) -> Image:
    """With so much of its light."""
    return _bytes(image * factor)


def blurred(image: Image, sigma: float) -> Image:
    """Out of focus, by so many pixels of a picture of 256."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * max(image.shape[:2]) / 256), np.uint8)


def shifted(image: Image, share: float) -> Image:
    """Moved along both axes by a share of the longer side; what comes in mirrors the border."""
    by = round(share * max(image.shape[:2]))
    move = np.array([[1, 0, by], [0, 1, by]], np.float32)
    size = image.shape[1], image.shape[0]
    moved = cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def _bytes(pixels: NDArray[np.floating[Any]]) -> Image:
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)


def _measure(line: Line, other: Line, runs: int) -> dict[str, list[bool]]:
    """Whether each run failed, by what has happened to the camera."""
    split = len(line.goods) - REFERENCES
    golden = [*line.goods[:split], *line.defects]
    pinned = [picture_look(image) for image in golden]
    references = [picture_look(image) for image in line.goods[split:]]
    spread = goods_spread([*references, *pinned[:split]], ())

    def fails(seen: list[PictureLook]) -> bool:
        pairs = [PairedPicture(str(n), *both) for n, both in enumerate(zip(pinned, seen, strict=True))]
        checks = [*check_conditions(pairs, spread), *check_goods(seen[:split], references)]
        return not all(check.ok for check in checks)

    def taken(change: Change, seed: int) -> list[PictureLook]:
        rng = np.random.default_rng(seed)
        return [picture_look(change(image, rng)) for image in golden]

    def again(image: Image, rng: np.random.Generator) -> Image:
        return noisy(dimmed(image, 1 + rng.normal(0, 0.01)), rng)

    found = {"unchanged": [fails(taken(again, seed)) for seed in range(runs)]}
    for name, change in changes():
        found[name] = [fails(taken(change, seed)) for seed in range(3)]
    strangers = [*other.goods, *other.defects]
    found["another product"] = [
        fails([picture_look(strangers[n % len(strangers)]) for n in range(len(golden))])
    ]
    for name, change in changes():
        looks = [
            picture_look(change(image, np.random.default_rng(n))) for n, image in enumerate(golden[:split])
        ]
        found[f"set {name}"] = [not all(check.ok for check in check_goods(looks, references))]
    looks = [picture_look(strangers[n % len(strangers)]) for n in range(split)]
    found["set another product"] = [not all(check.ok for check in check_goods(looks, references))]
    return found


def _print(table: dict[str, dict[str, list[bool]]], runs: int) -> None:
    names = list(next(iter(table.values())))
    for name in names:
        told = [failed for line in table.values() for failed in line[name]]
        missed = [line for line, found in table.items() if name != "unchanged" and not all(found[name])]
        print(f"{name:28} {sum(told):5} of {len(told):5} runs failed {' '.join(missed[:8])}")
    every = [failed for line in table.values() for failed in line["unchanged"]]
    interval = clopper_pearson(sum(every), len(every))
    if interval is not None:
        low, high = interval
        print(f"false alarms: {sum(every)} of {len(every)}, 95 % interval {low:.2%} to {high:.2%}")


if __name__ == "__main__":
    main()
