"""The second edge detector: an ImageNet classifier's confidence (YOLO11-cls), after the seed.

The idea: a classifier that knows nothing of the product is surer of goods than of defects. Three numbers
of its probabilities say how sure: ``smax``, the largest; ``margin``, largest minus second; ``ent``, the
entropy over its maximum log(classes). The rule: good when smax >= t1 and margin >= t2 and ent <= t3.

The rule as one anomaly score: the largest of the three violations, each in units of the spread among the
goods, ``max((t1 - smax)/s1, (t2 - margin)/s2, (ent - t3)/s3)``. It is positive exactly when the rule says
defect, so a line whose threshold is ``THRESHOLD`` labels as the rule does, and a line calibrated for an
overkill rate moves all three thresholds together. There is no anomaly map.

It is a weak detector, kept for comparison: on MVTec AD the seed's own tables give it the accuracy of
calling everything a defect.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.arrays import check_image
from saec.edge.classifier import classifier_input, compile_classifier, load_classifier
from saec.edge.colours import ChannelOrder
from saec.edge.graph import GRAPH, OPENVINO_TYPES
from saec.errors import DataError, ModelError
from saec.profile import Detector, LineProfile, Preparation, sha256_file
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD, Box, EdgeOpinion, Image

THRESHOLD = sys.float_info.min
"""Smallest normal number: scores at or above it are those above zero, where the rule says defect."""

QUANTILES = {"smax": 0.2, "margin": 0.2, "ent": 0.8}
"""The thresholds that nobody gave, as quantiles of the goods (the seed's)."""

SPREAD_FLOOR = 1e-3
"""Least interquartile range among goods, so that identical goods do not divide by zero."""


class Confidence(msgspec.Struct, frozen=True):
    """How sure a classifier is; each in 0..1."""

    smax: float
    margin: float
    ent: float


class YoloRule(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds of the rule; None takes the quantile of the goods."""

    smax: float | None = None
    margin: float | None = None
    ent: float | None = None


def confidence(probabilities: NDArray[np.floating[Any]]) -> Confidence:
    """smax, margin and ent of one distribution over classes.

    Args:
        probabilities: one per class, at least two, non-negative. They are normalised here, as those of int8
            graphs add up to about 1.

    Raises:
        ModelError: a number is not finite, or they are no distribution.
    """
    p = np.asarray(probabilities, dtype=np.float64).ravel()
    total = float(p.sum())
    if p.size < 2 or not math.isfinite(total) or total <= 0 or float(p.min()) < 0:
        raise ModelError(
            "the classifier's output is not a probability distribution",
            "export a classification model, with its softmax",
        )
    p = p / total
    second, first = np.partition(p, -2)[-2:]
    positive = p[p > 0]
    entropy = max(0.0, -float((positive * np.log(positive)).sum()))
    return Confidence(float(first), float(first - second), min(1.0, entropy / math.log(p.size)))


def rule_score(seen: Confidence, params: dict[str, float]) -> float:
    """The anomaly score; above zero exactly when the rule of ``params`` says defect."""
    beyond = {
        "smax": params["smax"] - seen.smax,
        "margin": params["margin"] - seen.margin,
        "ent": seen.ent - params["ent"],
    }
    score = max(value / params[f"{name}_spread"] for name, value in beyond.items())
    # A difference may be so small that its share of the spread is below the threshold: it counts as well.
    return max(score, THRESHOLD) if max(beyond.values()) > 0 else score


def fit_rule(goods: list[Confidence], rule: YoloRule) -> dict[str, float]:
    """Thresholds and spreads, the ``params`` of ``line.Detector``.

    Args:
        goods: the classifier's confidence on good images, at least two.
        rule: thresholds that were given.

    Raises:
        DataError: fewer than two images.
    """
    if len(goods) < 2:
        raise DataError(
            f"{len(goods)} good images are too few for thresholds",
            "give at least two good images, better 50",
        )
    params = {}
    for name, quantile in QUANTILES.items():
        values = np.array([getattr(good, name) for good in goods])
        given = getattr(rule, name)
        params[name] = float(np.quantile(values, quantile)) if given is None else float(given)
        low, high = np.quantile(values, (0.25, 0.75))
        params[f"{name}_spread"] = max(float(high - low), SPREAD_FLOOR)
    return params


class YoloClassifier:
    """The classifier of a fit: its graph is written into the profile's folder, and looks at images.

    Args:
        weights: OpenVINO IR, ONNX, TFLite or ultralytics' .pt classification model.
        folder: the profile's folder, which exists.
        config: arithmetic, threads, region and bits; ``side_px`` for a model that leaves its size open.

    Attributes:
        preparation: how a frame becomes the graph's input.

    Raises:
        ModelError: the file is missing or no image classifier.
    """

    def __init__(self, weights: Path, folder: Path, config: FitConfig) -> None:
        import openvino as ov

        self._config, self._name, self._folder = config, weights.stem, folder
        self._precision = OPENVINO_TYPES[config.dtype]
        model = load_classifier(weights, side=config.side_px)
        _, height, width, _ = model.input().get_shape()
        ov.save_model(model, folder / GRAPH, compress_to_fp16=False)
        self._infer = compile_classifier(
            folder / GRAPH, precision=self._precision, threads=config.threads, device=config.device
        )
        self.preparation = Preparation(height=height, width=width, roi=config.roi, bits=config.bits)

    def look(self, image: Image) -> Confidence:
        """How sure the classifier is of an image, H x W x 3 uint8 RGB."""
        p = self.preparation
        return _look(self._infer, image, p.height, p.width, p.roi)

    def detector(self, params: dict[str, float]) -> Detector:
        """The profile's record of the detector with the rule of ``fit_rule``."""
        names = (GRAPH, Path(GRAPH).with_suffix(".bin").name)
        return Detector(
            kind="yolo",
            backbone=self._name,
            precision=self._precision,
            threads=self._config.threads,
            device=self._config.device,
            files={name: sha256_file(self._folder / name) for name in names},
            params=params,
        )


class YoloDetector:
    """The classifier at the line; an ``EdgeDetector``.

    Args:
        profile: a line profile whose detector is of kind "yolo".
    """

    def __init__(self, profile: LineProfile) -> None:
        detector = profile.line.detector
        self._preparation = profile.line.preparation
        self._params = detector.params
        self._calibration = profile.calibration
        self._order = ChannelOrder(profile.references())
        self._infer = compile_classifier(
            profile.folder / GRAPH,
            precision=detector.precision,
            threads=detector.threads,
            device=detector.device,
        )

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        """The opinion on each image, one by one (a batch saves nothing on a CPU).

        Args:
            images: H x W x 3, uint8, of any size, RGB. OpenCV reads BGR: turn it with ``image[..., ::-1]``.

        Raises:
            ImageError: another shape or type; nothing is judged then.
        """
        checked = [check_image(image, f"image {i}") for i, image in enumerate(images)]
        return [self._opinion(image) for image in checked]

    def confidence(self, image: Image) -> Confidence:
        """smax, margin and ent of one image, for who wants the three and not the score."""
        p = self._preparation
        return _look(self._infer, image, p.height, p.width, p.roi)

    def _opinion(self, image: Image) -> EdgeOpinion:
        self._order.check(image)
        score = rule_score(self.confidence(image), self._params)
        to_probability = self._calibration.p_defect
        return EdgeOpinion(
            score=score,
            label=DEFECT if score >= self._calibration.threshold else GOOD,
            p_defect=None if to_probability is None else to_probability(score),
        )


def _look(infer: Any, image: Image, height: int, width: int, roi: Box | None) -> Confidence:
    return confidence(infer(classifier_input(image, height, width, roi)[None])[0])
