"""What a fit takes and gives: the goods, and the detector's part of a line profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saec.profile import Detector, Preparation
from saec.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Goods:
    """The good images of a fit.

    Attributes:
        count: how many.
        frames: yields them anew at each call, in one order, H x W x 3 RGB uint8.
        folds: fold of each; images of one part share a fold.
        size: typical height and width.
        defect_px: how large the smallest labelled defects are, in pixels of the frame, or None.
        roi_mask: image file whose non-zero pixels are judged, or None.
    """

    count: int
    frames: Callable[[], Iterator[Image]]
    folds: NDArray[np.int64]
    size: tuple[int, int]
    roi_mask: Path | None = None
    defect_px: float | None = None


@dataclass(frozen=True, slots=True)
class Gated:
    """What a gate found: sentences, and the threshold at which exported and fitted agree on every label."""

    notes: list[str]
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted and exported detector.

    Attributes:
        preparation, detector: its parts of ``line.json``.
        scores: score of each good as if unseen.
        order: indices of goods, in the order in which they cover all of them; the first of them at least.
        score: the exported graph's score of a frame.
        gate: (threshold, calibration defects) -> what came of it; compares the exported graph with the
            fitted detector on every calibration image, and raises ParityError where a label differs.
        notes: sentences for the user.
        threshold: where the detector itself says defect, or None to take it from the goods' scores.
    """

    preparation: Preparation
    detector: Detector
    scores: NDArray[np.float64]
    order: list[int]
    score: Callable[[Image], float]
    gate: Callable[[float, Iterable[Image]], Gated]
    notes: list[str]
    threshold: float | None = None
