"""A detector fit without a detector: a good's score is its mean grey level, quick and plain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saec.edge.training.fit_records import Fitted, Gated, Goods
from saec.errors import ParityError
from saec.profile import Detector, Preparation, sha256_file
from saec.settings import FitConfig
from saec.types import Image


def grey(image: Image) -> float:
    return float(image.mean())


@dataclass
class FakeFit:
    """A ``DetectorFit`` that notes what it is given.

    Attributes:
        goods, config, images: of the last call; the images as they were decoded.
        disagree: whether the parity gate fails.
    """

    disagree: bool = False
    goods: Goods | None = None
    config: FitConfig | None = None
    images: list[Image] = field(default_factory=list)
    gated: list[tuple[float, int]] = field(default_factory=list)

    def __call__(
        self, goods: Goods, config: FitConfig, folder: Path, progress: Callable[[str, int, int], None]
    ) -> Fitted:
        self.goods, self.config = goods, config
        self.images = list(goods.frames())
        (folder / "detector.xml").write_text("<net/>")
        scores = np.array([grey(image) for image in self.images])
        progress("features", goods.count, goods.count)
        return Fitted(
            preparation=Preparation(height=64, width=64, roi=config.roi, bits=config.bits),
            detector=Detector(
                kind="patch",
                backbone=config.backbone,
                files={"detector.xml": sha256_file(folder / "detector.xml")},
            ),
            scores=scores,
            order=np.argsort(np.abs(scores - np.median(scores)), kind="stable").tolist(),
            score=grey,
            gate=self._gate,
            notes=["fitted"],
        )

    def _gate(self, threshold: float, defects: Iterable[Image]) -> Gated:
        self.gated.append((threshold, len(list(defects))))
        if self.disagree:
            raise ParityError("the graphs disagree", "fit with --dtype float32")
        return Gated(["parity: all agree"], threshold)
