"""A detector fit without a detector: a good's score is its mean grey level, quick and plain."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saec.edge.learning.fit_contract import FitStart, Fitted, Gated, ImageOf, TrainFrame
from saec.errors import ParityError
from saec.profile import Detector, Preparation, sha256_file
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD, Image


def grey(image: Image) -> float:
    return float(image.mean())


@dataclass
class FakeFit:
    """A ``DetectorFit`` that notes what it is given.

    Attributes:
        start, frames: of the last fit.
        disagree: whether the parity gate fails.
        gated: the thresholds that the gate was asked about.
    """

    disagree: bool = False
    start: FitStart | None = None
    frames: list[TrainFrame] = field(default_factory=list)
    gated: list[float] = field(default_factory=list)

    def __call__(self, start: FitStart) -> FakeFit:
        self.start, self.frames = start, []
        return self

    @property
    def config(self) -> FitConfig | None:
        """The settings of the last fit."""
        return None if self.start is None else self.start.config

    @property
    def images(self) -> list[Image]:
        """The goods as they were decoded."""
        return [frame.image for frame in self.frames if frame.label == GOOD]

    def add(self, frame: TrainFrame) -> None:
        self.frames.append(frame)

    def finish(self) -> Fitted:
        assert self.start is not None
        folder, config = self.start.folder, self.start.config
        (folder / "detector.xml").write_text("<net/>")
        scores = {
            label: {frame.sha: grey(frame.image) for frame in self.frames if frame.label == label}
            for label in (GOOD, DEFECT)
        }
        self.start.progress("features", len(self.frames), len(self.frames))
        middle = float(np.median(list(scores[GOOD].values())))
        return Fitted(
            preparation=Preparation(height=64, width=64, roi=config.roi, bits=config.bits),
            detector=Detector(
                kind="patch",
                backbone=config.backbone,
                files={"detector.xml": sha256_file(folder / "detector.xml")},
            ),
            goods=scores[GOOD],
            defects=scores[DEFECT],
            order=sorted(scores[GOOD], key=lambda sha: abs(scores[GOOD][sha] - middle)),
            gate=self._gate,
            notes=["fitted"],
        )

    def _gate(self, threshold: float, image_of: ImageOf) -> Gated:
        self.gated.append(threshold)
        assert all((image_of(frame.sha) == frame.image).all() for frame in self.frames)
        if self.disagree:
            raise ParityError("the graphs disagree", "fit with --dtype float32")
        return Gated(["parity: all agree"], threshold)
