"""What is judged: hold-outs and their train goods, one folder per product with links to the user's files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saec.data.builders.build_folder import place_file
from saec.data.builders.ksdd2 import build_ksdd2
from saec.data.builders.mvtec_holdout import build_holdout
from saec.data.dataset import categories, open_dataset
from saec.data.items import Item
from saec.data.manifest import FILE, Manifest, hash_item
from saec.settings import HoldoutConfig, Ksdd2Config
from saec.types import DEFECT, GOOD
from saec_research.tables.bench_lines import FIRST_SEED, draw_products
from saec_research.tables.bench_settings import Given

MVTEC, KSDD2, PROCEDURAL = "MVTec AD", "KSDD2", "procedural"
"""Names of the sets; the first two are those of the published tables."""

PUBLISHED_SEED = 2025
"""The seed of the published MVTec AD hold-out. KSDD2's is 1234; further seeds count on from both."""


@dataclass(frozen=True, slots=True)
class BenchSet:
    """One set of the tables.

    Attributes:
        name: the set's name.
        products: roots of its data sets; each is fitted on its train goods and judged on its hold-out.
        protocol: one sentence.
    """

    name: str
    products: Sequence[Path]
    protocol: str


def bench_sets(given: Given, seed: int, work: Path) -> list[BenchSet]:
    """The sets under one seed, which draws the hold-outs or the products.

    Raises:
        SaecError: whatever the builders raise.
    """
    sets = []
    if given.mvtec is not None:
        sets.append(_mvtec(given.mvtec, seed, work / "sets" / f"mvtec-{seed}"))
    if given.ksdd2 is not None:
        sets.append(_ksdd2(given.ksdd2, seed, work / "sets" / f"ksdd2-{seed}"))
    for root in given.data:
        told = "hold-out as it lies; the seed is that of the fit"
        sets.append(BenchSet(root.resolve().name, categories(root), told))
    if not sets:
        first = FIRST_SEED + 1000 * (1 + seed % 1000)
        products = [
            draw_products(work / "procedural", n, given.drawing, first) for n in range(given.products)
        ]
        sets.append(BenchSet(PROCEDURAL, products, "drawn; the seed draws other products"))
    return sets


def _mvtec(src: Path, seed: int, out: Path) -> BenchSet:
    """The seed's hold-out, its images put back to their categories, each beside its own train goods."""
    holdout = out / "holdout"
    build_holdout(src, holdout, HoldoutConfig(seed=seed, link=True), force=True)
    held = Manifest.read(holdout / FILE).roles
    by_category: dict[str, list[Path]] = {}
    for entry in held.values():
        path = src / entry.path
        by_category.setdefault(path.relative_to(src).parts[0], []).append(path)
    products = []
    for name, images in sorted(by_category.items()):
        data, picked = open_dataset(src / name), set(images)
        judged = [item for item in data.holdout() if item.path in picked]
        free = [item for item in data.holdout() if item.path not in picked and item.label == DEFECT]
        known = [*data.select("train", GOOD), *free]
        products.append(_product(out / name, known, judged, set(held)))
    protocol = (
        f"{len(held)} test images of {len(products)} categories drawn with seed {seed}; a line per category, "
        "fitted on its train goods; the test defects that were not drawn are its known defects"
    )
    return BenchSet(MVTEC, products, protocol)


def _ksdd2(src: Path, seed: int, out: Path) -> BenchSet:
    """The seed's one-to-one hold-out; the train goods that it leaves are fitted on."""
    draws = seed - PUBLISHED_SEED + Ksdd2Config().seed
    holdout = out / "holdout"
    build_ksdd2(src, holdout, Ksdd2Config(protocol="one-to-one", seed=draws, link=True), force=True)
    held = set(Manifest.read(holdout / FILE).roles)
    data = open_dataset(src, layout="ksdd2")
    judged = [item for item in data.items if hash_item(item) in held]
    product = _product(out / "ksdd2", data.select("train", GOOD), judged, held)
    protocol = (
        f"all defects and as many goods drawn with seed {draws}, train and test mixed as published; a line "
        "fitted on the train goods that are not among them"
    )
    return BenchSet(KSDD2, [product], protocol)


def _product(out: Path, known: Sequence[Item], judged: Sequence[Item], held: set[str]) -> Path:
    """A data set of links: known images, none of them of the hold-out, and the images to judge."""
    if out.exists():  # links that were made here before
        shutil.rmtree(out)
    free = [item for item in known if hash_item(item) not in held]
    once = {hash_item(item): item for item in reversed(judged)}  # of copies one is judged
    for split, items in (("train", free), ("test", once.values())):
        for number, item in enumerate(items):
            kind = "good" if item.label == GOOD else item.kind or "defect"
            place_file(item.path, out / split / kind / f"{number:05}-{item.path.name}", link=True)
    return out
