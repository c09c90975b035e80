"""Start the fit of either detector: the frozen feature graph, or the classifier of the YOLO rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saec.edge.detector_kinds import FitChoices
from saec.edge.learning.fit_contract import DetectorFit, FitStart, Fitted, Gated, Learner, TrainFrame
from saec.edge.learning.judged_region import cells_inside, keep_mask, prepared_mask
from saec.edge.learning.patch_learner import FeatureGraph, PatchLearner
from saec.edge.learning.taught_frames import TaughtFrames
from saec.edge.preparation import input_size
from saec.edge.training.feature_source import FeatureSource, tile_side
from saec.edge.training.quantised_fit import QuantisedFit
from saec.edge.training.size_proposal import propose_size
from saec.edge.yolo import THRESHOLD, Confidence, YoloClassifier, YoloRule, fit_rule, rule_score
from saec.errors import ConfigError, DataError
from saec.profile import Preparation
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD


def patch_fit(*, onnx: bool = False) -> DetectorFit:
    """A fit of the default detector; with ``onnx`` the graph is written as ONNX too.

    The fit raises:
        ConfigError: int8 as ONNX.
        DataError: too few goods, or a mask that does not fit the frames.
        ModelError: the backbone is unknown or its weights are not installed.
        ExtraError: torch is not installed.
    """

    def start(begin: FitStart) -> Learner:
        config, told = begin.config, list[str]()
        if onnx and config.dtype == "int8":
            raise ConfigError(
                "ONNX holds the detector in float32, not in int8", "leave out onnx, or take another dtype"
            )

        def tell(said: str) -> None:
            told.append(said)
            begin.progress(said, 0, 1)

        source = FeatureSource(config, tell)
        proposed, said = propose_size(
            config, _judged(begin), begin.defect_px, source.stride, tiled=not source.averaged
        )
        told += [said] if said else []
        config = proposed if config.auto_size else config
        preparation = _preparation(begin, config, 2 * source.stride)
        size = (preparation.height, preparation.width)
        mask: NDArray[np.uint8] | None = None
        if begin.roi_mask is not None:
            keep_mask(begin.roi_mask, begin.size, begin.folder)
            mask = prepared_mask(begin.folder, preparation)
        model, rounding = source.model(*size, mask, tile_side(config))
        _, _, height, width = model.output(0).shape
        graph = FeatureGraph(
            model,
            preparation,
            None if mask is None else cells_inside(mask, (2 * height, 2 * width)),
            rounding,
            source.onnx_writer(*size, mask, tile_side(config)) if onnx else None,
        )

        def learner(features: FeatureGraph, begin: FitStart) -> PatchLearner:
            return PatchLearner(features, TaughtFrames(), begin.config, begin.folder, begin.progress, told)

        begin = replace(begin, config=config)
        return QuantisedFit(graph, begin, learner) if config.dtype == "int8" else learner(graph, begin)

    return start


def _judged(begin: FitStart) -> tuple[int, int]:
    """Height and width of what is judged of a frame, in its own pixels."""
    if begin.config.roi is None:
        return begin.size
    x0, y0, x1, y1 = begin.config.roi
    return y1 - y0, x1 - x0


def _preparation(begin: FitStart, config: FitConfig, multiple: int) -> Preparation:
    height, width = input_size(*_judged(begin), config.side_px * config.tiles, multiple)
    return Preparation(
        height=height, width=width, roi=config.roi, mask=begin.roi_mask is not None, bits=config.bits
    )


def yolo_fit(weights: Path, rule: YoloRule) -> DetectorFit:
    """A fit of the seed's detector with those weights; the rule's own threshold stands.

    The fit raises:
        ModelError: the file is missing or no image classifier.
        DataError: a mask is given, or there are too few goods.
    """
    return lambda begin: YoloLearner(begin, weights, rule)


class YoloLearner:
    """Looks at each frame with the classifier; the goods then give the thresholds of the rule.

    They may be the goods whose scores are used later: three quantiles of many images leave no room to
    over-fit.
    """

    def __init__(self, begin: FitStart, weights: Path, rule: YoloRule) -> None:
        if begin.roi_mask is not None:
            raise DataError(
                "the YOLO detector has no anomaly map, so it takes no mask", "give a rectangle as the roi"
            )
        if begin.config.dtype == "int8":
            raise ConfigError(
                "int8 is for the detector patch: a classifier stays as its file has it",
                "take dtype float32 or bfloat16",
            )
        self._classifier, self._rule = YoloClassifier(weights, begin.folder, begin.config), rule
        self._seen: dict[int, dict[str, Confidence]] = {GOOD: {}, DEFECT: {}}

    def add(self, frame: TrainFrame) -> None:
        self._seen[frame.label][frame.sha] = self._classifier.look(frame.image)

    def finish(self) -> Fitted:
        goods, defects = self._seen[GOOD], self._seen[DEFECT]
        params = fit_rule(list(goods.values()), self._rule)
        return Fitted(
            preparation=self._classifier.preparation,
            detector=self._classifier.detector(params),
            goods={sha: rule_score(seen, params) for sha, seen in goods.items()},
            defects={sha: rule_score(seen, params) for sha, seen in defects.items()},
            order=list(goods),
            gate=lambda threshold, _image_of: Gated([], threshold),
            notes=[
                "the detector is the published rule of policy seed: the confidence of an ImageNet classifier"
            ],
            threshold=THRESHOLD,
        )


def chosen_patch_fit(choices: FitChoices) -> DetectorFit:
    """The fit of the patch detector, under a user's choices.

    Raises:
        ConfigError: a choice that is the YOLO detector's.
    """
    if choices.yolo is not None:
        raise ConfigError(
            f"the classifier {choices.yolo} is for the detector yolo", "choose that detector, or leave it out"
        )
    if (choices.yolo_smax, choices.yolo_margin, choices.yolo_entropy) != (None, None, None):
        raise ConfigError(
            "yolo_smax, yolo_margin and yolo_entropy are for the detector yolo", "leave them out"
        )
    return patch_fit(onnx=choices.onnx)


def chosen_yolo_fit(choices: FitChoices) -> DetectorFit:
    """The fit of the YOLO detector, under a user's choices.

    Raises:
        ConfigError: no weights, or a choice that is the patch detector's.
    """
    if choices.yolo is None:
        raise ConfigError(
            "the detector yolo needs the file of your classifier",
            "name it (yolo), or choose the detector patch",
        )
    if choices.onnx:
        raise ConfigError(
            "onnx is for the detector patch",
            "leave it out, and convert the YOLO file with `saec models convert`",
        )
    rule = YoloRule(smax=choices.yolo_smax, margin=choices.yolo_margin, ent=choices.yolo_entropy)
    return yolo_fit(choices.yolo, rule)
