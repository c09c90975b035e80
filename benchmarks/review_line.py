"""A line that is taught reviewed frames, for a benchmark: the product's learning, from features."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec
import numpy as np
from few_defects_line import AT_ONCE, judged_by_goods
from labelled_frames import LabelledFrames
from numpy.typing import NDArray

from saec.edge.learning.detector_learning import Learned, learn
from saec.edge.learning.head.defect_head import defect_evidence
from saec.edge.learning.head.detector_head import PatchModel
from saec.edge.learning.head.hot_cells import frame_cells
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.profile import Calibration
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import FitConfig, GateConfig
from saec.settings.threshold_rule import ThresholdRule

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LineVersion:
    """A version of the line.

    Attributes:
        learned: the detector.
        calibration: its thresholds, by the default rule.
    """

    learned: Learned
    calibration: Calibration


class ReviewedLine:
    """A line fitted to goods.

    Args:
        frames: all frames.
        fit: indices of the goods.
        config: how the line is made.
    """

    def __init__(self, frames: LabelledFrames, fit: list[int], config: FitConfig) -> None:
        self._frames, self._config = frames, config
        self._kept = frames.taught(fit)

    def taught(self, labels: Mapping[int, int], picked: AbstractSet[int] = frozenset()) -> LineVersion:
        """The line with these frames and their labels; the picked ones were chosen by their score."""
        kept = copy.deepcopy(self._kept)
        for at, label in labels.items():
            frame = self._frames.frames[at]
            known = msgspec.structs.replace(frame, label=label, marked=None, kind="", picked=at in picked)
            kept.add(known, self._frames.features[at])
        learned = learn(kept, self._config, None, lambda _what, _done, _of: None)
        calibration = calibrate(
            learned.goods,
            list(learned.defects.values()),
            rule=ThresholdRule(),
            gate=GateConfig(),
            prevalence=0.5,
            created="",
        )
        return LineVersion(learned, calibration)

    def scores(self, version: LineVersion, chosen: list[int]) -> Doubles:
        """The scores of these frames."""
        model = version.learned.model
        parts = [self._some(model, chosen[at : at + AT_ONCE]) for at in range(0, len(chosen), AT_ONCE)]
        return np.concatenate(parts)

    def _some(self, model: PatchModel, chosen: list[int]) -> Doubles:
        features = np.asarray(self._frames.features[chosen])
        outputs = judged_by_goods(features, model.goods)
        scores = np.asarray(outputs.score, np.float64)
        if model.cells is not None and model.defects is not None:
            n, channels, height, width = features.shape
            shape, ops = (n, height, width), NumpyOps()
            flat = features.reshape(n, channels, height * width)
            cells = frame_cells(ops, flat, outputs.map, model.cells, model.goods.search, shape)
            more, _ = defect_evidence(ops, cells, model.defects, model.cells, shape)
            scores = scores + more
        return scores
