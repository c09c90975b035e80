"""The cells of labelled frames from which the head and the kinds of defect are learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

HOT = 0.04
"""Share of the cells that are hot."""

DEFECTIVE = 0.01
"""Share of the cells that stand for a defect, and whose mean is a head's score of a frame."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCells:
    """Frames of one label as the goods-only detector sees them.

    n frames, p cells (those within the region of interest), C features, M hot cells (``hot_cells``). For
    goods, heat, residuals and scores are those of detectors that have not seen their part.

    Attributes:
        features: n x C x p, any unit (int8 steps, say).
        mean, deviation: C, statistics of the features over goods, in that unit.
        heat: n x p, the goods-only map, the largest of each cell's 2 x 2.
        residuals: n x M x C: standardised features of the hot cells less those of the nearest good patch.
        scores: n, goods-only scores.
        folds: n, fold of each frame's part.
        parts: n, a number that stands for each frame's part.
        marked: n, the cells that a mask marks, or None where there is none; () where no frame has one.
    """

    features: NDArray[Any]
    mean: Floats
    deviation: Floats
    heat: Floats
    residuals: Floats
    scores: NDArray[np.float64]
    folds: Indices
    parts: Indices
    marked: tuple[Indices | None, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def hottest(self) -> int:
        """How many cells stand for a defect."""
        return max(1, round(DEFECTIVE * int(self.heat.shape[1])))

    def standardised(self, cells: Indices) -> Floats:
        """The features of these cells of each frame, n x m to n x m x C."""
        taken = np.take_along_axis(self.features, cells[:, None, :], 2).astype(np.float32)
        z: Floats = (taken.transpose(0, 2, 1) - self.mean) / self.deviation
        return z

    def hot_features(self) -> Floats:
        """Standardised features of the hot cells, and the sizes of their residuals, n x M x 2C."""
        return np.concatenate([self.standardised(hot_cells(self.heat)), np.abs(self.residuals)], axis=2)

    def marks(self, frame: int) -> Indices | None:
        """The cells that a mask of this frame marks."""
        marked = self.marked[frame] if self.marked else None
        return marked if marked is not None and len(marked) else None


def hot_cells(heat: Floats) -> Indices:
    """The hot cells of each frame, the hottest first: n x p to n x M."""
    return hottest_cells(heat, max(1, round(HOT * heat.shape[1])))


def hottest_cells(heat: Floats, count: int) -> Indices:
    """The cells with the most heat, the hottest first (of equal ones the first): n x p to n x count."""
    return np.argsort(-heat, axis=1, kind="stable")[:, :count]
