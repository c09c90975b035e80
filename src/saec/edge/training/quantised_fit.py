"""A fit with int8 features. A float32 detector is fitted beside it and says whether int8 is good enough."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from saec.edge.learning.fit_contract import FitStart, Fitted, Gated, ImageOf, TrainFrame
from saec.edge.learning.patch_learner import FeatureGraph, PatchLearner
from saec.edge.preparation import prepare
from saec.edge.training.quantisation import FRAMES, check_quantised, quantised
from saec.types import GOOD

MOST_BYTES = 512 * 2**20
"""Pixels of the frames that wait for the int8 graph, which is made of them."""

StartLearner = Callable[[FeatureGraph, FitStart], PatchLearner]


class QuantisedFit:
    """Learns from frames twice; a ``Learner``.

    Args:
        features: the float32 features.
        begin: what the fit starts with; its dtype is int8.
        start: makes the learner of some features.
    """

    def __init__(self, features: FeatureGraph, begin: FitStart, start: StartLearner) -> None:
        self._features, self._begin, self._start = features, begin, start
        self._scratch = tempfile.TemporaryDirectory(prefix="saec-float32-")
        plain = replace(
            begin,
            config=msgspec.structs.replace(begin.config, dtype="float32"),
            folder=Path(self._scratch.name),
        )
        self._plain = start(features, plain)
        self._waiting: list[TrainFrame] = []
        self._made: PatchLearner | None = None

    def add(self, frame: TrainFrame) -> None:
        self._plain.add(frame)
        if self._made is not None:
            self._made.add(frame)
            return
        self._waiting.append(frame)
        held = sum(waiting.image.nbytes for waiting in self._waiting)
        if len(self._waiting) >= FRAMES or held > MOST_BYTES:
            self._quantise()

    def finish(self) -> Fitted:
        with self._scratch:
            if self._made is None:
                self._quantise()
            assert self._made is not None
            plain, made = self._plain.finish(), self._made.finish()

        def gate(threshold: float, image_of: ImageOf) -> Gated:
            said = check_quantised((plain.goods, plain.defects), (made.goods, made.defects), threshold)
            found = made.gate(threshold, image_of)
            return Gated([*said, *found.notes], found.threshold)

        return replace(made, gate=gate)

    def _quantise(self) -> None:
        """Make the int8 graph of the frames that wait, and learn from them."""
        self._begin.progress("int8", 0, 1)
        goods = [frame.image for frame in self._waiting if frame.label == GOOD]
        frames = [prepare(image, self._features.preparation) for image in goods]
        model = quantised(self._features.model, frames)
        self._made = self._start(replace(self._features, model=model), self._begin)
        for frame in self._waiting:
            self._made.add(frame)
        self._waiting = []
        self._begin.progress("int8", 1, 1)
