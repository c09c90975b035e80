"""Lines for the benchmark of spending: products, detectors fitted on their goods, questions to a cloud."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from saec import edge
from saec.contracts import EdgeDetector
from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.data.procedural import Product, RenderedFrame, draw_product
from saec.data.procedural.painting.design import SURFACE
from saec.edge.training.detector_fit import patch_fit
from saec.errors import DataError
from saec.frame.hottest_place import hottest_place, unusual_place
from saec.lines.line_fit import fit_line
from saec.profile import Calibration, LineProfile
from saec.scene.complexity import Complexity
from saec.settings import FitConfig, GateConfig
from saec.settings.threshold_rule import GOODS_ALONE
from saec.types import CloudQuery, Frame, Image

FIRST_SEED = 2**31 + 3_000_000
"""Training draws products below 2^31; the other benchmarks' begin elsewhere above it."""

SIZE = 672
SMALL, PLAIN = 0.15, 0.3
"""Extent and difficulty of the small defects."""

ORDINARY = 0.5
"""Difficulty of the ordinary ones."""

GROUPS = ("good", "small", "ordinary")
FIT = FitConfig(folds=5, threads=1, overkill_rate=GOODS_ALONE)
_FITTED_ON = 32


@dataclass(frozen=True)
class Shot:
    """A frame, its group, and the question about it.

    Attributes:
        query: with the hottest place, whether or not it stands out; ``unusual`` says whether it does.
        length: of its defect's box in pixels, 0 for a good.
        hit: the hottest place touches the defect.
        risen: how far the edge's score has risen from the median good's (0) to the threshold (1).
    """

    group: str
    query: CloudQuery
    unusual: bool
    risen: float
    length: int
    hit: bool


@dataclass(frozen=True)
class Line:
    """A product with its fitted line."""

    product: Product
    profile: LineProfile

    @property
    def name(self) -> str:
        return f"{self.product.family}-{self.product.seed}"

    def shots(self, each: int) -> Iterator[Shot]:
        """So many goods, small defects and ordinary ones, with what the edge sees of each."""
        detector = edge.open_detector(self.profile)
        complexity = Complexity(self.profile.line.complexity)
        reference, known = read_image(self.profile.references(1)[0]), self.profile.calibration
        for at, group in enumerate(GROUPS):
            for n in range(each):
                sample = _drawn(self.product, group, 1000 * (at + 1) + n)
                yield _shot(sample, group, f"{self.name}-{group}-{n}", reference, detector, complexity, known)


def open_line(work: Path, family: str, number: int) -> Line:
    """Product ``number`` with its line, fitted anew unless it stands in ``work``."""
    product = draw_product(family, FIRST_SEED + number)
    folder = work / f"{number:02d}-{family}"
    if not (folder / "line" / "line.json").is_file():
        for n in range(_FITTED_ON):
            path = folder / "images" / "train" / "good" / f"{n:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), product.render(n, size=SIZE).image[..., ::-1])
        fit_line(
            open_dataset(folder / "images"),
            folder / "line",
            patch_fit(),
            config=FIT,
            gate=GateConfig(),
            created="2026-01-01T00:00:00+00:00",
            force=True,
        )
    return Line(product, LineProfile.open(folder / "line"))


def _drawn(product: Product, group: str, seed: int) -> RenderedFrame:
    """A frame; a defect that shows nowhere gives way to the product's next kind."""
    if group == "good":
        return product.render(seed, size=SIZE)
    small = group == "small"
    kinds = [kind for kind in product.kinds if kind in SURFACE or not small]
    for n in range(len(kinds)):
        kind = kinds[(seed + n) % len(kinds)]
        try:
            return product.render(
                seed, kind, PLAIN if small else ORDINARY, SIZE, extent=SMALL if small else 1.0
            )
        except DataError:
            continue
    raise DataError(f"no {group} defect shows on {product.family} {product.seed}")


def _shot(
    sample: RenderedFrame,
    group: str,
    name: str,
    reference: Image,
    detector: EdgeDetector,
    complexity: Complexity,
    calibration: Calibration,
) -> Shot:
    (opinion,) = detector.inspect([sample.image])
    hottest, box = hottest_place(opinion), sample.box
    unusual = unusual_place(opinion, calibration) is not None
    query = CloudQuery(
        Frame(name, sample.image), (reference,), hottest=hottest, complexity=complexity.of(sample.image)
    )
    touches = (
        hottest is not None
        and box is not None
        and hottest[0] < box[2]
        and box[0] < hottest[2]
        and hottest[1] < box[3]
        and box[1] < hottest[3]
    )
    length = 0 if box is None else max(box[2] - box[0], box[3] - box[1])
    middle = statistics.median(calibration.goods)
    risen = (opinion.score - middle) / (calibration.threshold - middle)
    return Shot(group, query, unusual, risen, length, touches)
