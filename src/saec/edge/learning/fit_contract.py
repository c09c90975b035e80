"""What a fit of a detector takes and gives: frames one by one, then the detector's part of a line profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from saec.profile import Detector, LineProfile, Preparation
from saec.settings import FitConfig
from saec.types import Image

Progress = Callable[[str, int, int], None]
"""Told what is being done, how far, of how many."""

ImageOf = Callable[[str], Image | None]
"""The image with this sha256, or None where it is not at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainFrame:
    """A labelled frame to learn from.

    Attributes:
        sha: sha256 of its file.
        image: H x W x 3 RGB uint8.
        label: GOOD or DEFECT.
        group: stands for its part; frames of one part share it.
        kind: the kind of defect, "" where it is unknown.
        mask: H x W, where the defect is, or None where that is unknown.
        picked: a good that was chosen by its score, see ``TaughtFrame``.
    """

    sha: str
    image: Image
    label: int
    group: str
    kind: str = ""
    mask: NDArray[np.bool_] | None = None
    picked: bool = False


@dataclass(frozen=True, slots=True)
class FitStart:
    """What a fit starts with.

    Attributes:
        size: typical height and width of the frames.
        config: how the line is made.
        folder: the profile's folder, to write into.
        roi_mask: image file whose non-zero pixels are judged, or None.
        defect_px: how large the smallest labelled defects are, in pixels of the frame, or None.
        progress: told of what takes long after the frames.
    """

    size: tuple[int, int]
    config: FitConfig
    folder: Path
    roi_mask: Path | None = None
    defect_px: float | None = None
    progress: Progress = lambda _what, _done, _of: None


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
        goods, defects: sha256 -> score of a frame as if unseen; of a good many goods, a random part of them,
            and none that was chosen by its score.
        order: sha256 of goods, in the order in which they cover all of them; the first of them at least.
        gate: (threshold, images at hand) -> what came of it; compares the exported graph with the fitted
            detector, and raises ParityError where a label differs.
        notes: sentences for the user.
        threshold: where the detector itself says defect, or None to take it from the goods' scores.
        kinds: the kinds of defect that it can name.
    """

    preparation: Preparation
    detector: Detector
    goods: dict[str, float]
    defects: dict[str, float]
    order: list[str]
    gate: Callable[[float, ImageOf], Gated]
    notes: list[str]
    threshold: float | None = None
    kinds: tuple[str, ...] = ()


class Learner(Protocol):
    """A fit under way."""

    def add(self, frame: TrainFrame) -> None:
        """Learn from a frame; goods come before defects."""
        ...

    def finish(self) -> Fitted:
        """The detector, exported into the folder.

        Raises:
            DataError: too few goods, or all of one part.
        """
        ...


DetectorFit = Callable[[FitStart], Learner]
"""Starts the fit of one kind of detector."""


class TeachableLearner(Learner, Protocol):
    """A fit that goes on from a line's earlier frames."""

    def knows(self, sha: str) -> bool:
        """Whether the frame was taught and its features are kept."""
        ...

    def forget(self, sha: str) -> None:
        """Take a frame out.

        Raises:
            DataError: its features are not kept.
        """
        ...


DetectorTeaching = Callable[[LineProfile, Path, Progress], TeachableLearner]
"""Goes on from a line: (profile, folder of the next version, progress)."""
