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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from saec.settings import FitConfig, Precision
from saec.types import DEFECT, GOOD, Box, EdgeOpinion, Image

_DEFAULT = FitConfig()

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


@dataclass(frozen=True, slots=True, eq=False)
class YoloFit:
    """What ``fit_yolo`` made: parts of the line profile, and the goods' scores in their order.

    ``scores`` are of the goods that set the thresholds; three quantiles of many images leave no room to
    over-fit, so no cross-fit is made. ``score`` gives the graph's score of a further image.
    """

    detector: Detector
    preparation: Preparation
    scores: NDArray[np.float64]
    score: Callable[[Image], float]
    threshold: float = THRESHOLD


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
    """
    params = {}
    for name, quantile in QUANTILES.items():
        values = np.array([getattr(good, name) for good in goods])
        given = getattr(rule, name)
        params[name] = float(np.quantile(values, quantile)) if given is None else float(given)
        low, high = np.quantile(values, (0.25, 0.75))
        params[f"{name}_spread"] = max(float(high - low), SPREAD_FLOOR)
    return params


def fit_yolo(
    images: Callable[[], Iterable[Image]],
    weights: Path,
    folder: Path,
    rule: YoloRule | None = None,
    *,
    dtype: Precision = _DEFAULT.dtype,
    threads: int = _DEFAULT.threads,
    device: str = _DEFAULT.device,
    side: int = _DEFAULT.side_px,
    roi: Box | None = None,
    bits: int = _DEFAULT.bits,
) -> YoloFit:
    """Make the classifier's part of a line profile from good images; memory does not grow with them.

    Args:
        images: called once; yields good images, H x W x 3 uint8 RGB.
        weights: OpenVINO IR, ONNX, TFLite or ultralytics' .pt classification model.
        folder: the profile's folder, which exists; the graph is written there.
        rule: thresholds that were given; the others come from the goods.
        dtype, threads, device: arithmetic, threads and device of the graph at the line.
        side: input size of a .pt, and of a model that leaves it open.
        roi, bits: see ``line.Preparation``.

    Raises:
        ModelError: the file is missing or no image classifier.
        DataError: fewer than two images.
    """
    import openvino as ov

    precision = OPENVINO_TYPES[dtype]
    model = load_classifier(weights, side=side)
    _, height, width, _ = model.input().get_shape()
    ov.save_model(model, folder / GRAPH, compress_to_fp16=False)
    infer = compile_classifier(folder / GRAPH, precision=precision, threads=threads, device=device)
    goods = [_look(infer, image, height, width, roi) for image in images()]
    if len(goods) < 2:
        raise DataError(
            f"{len(goods)} good images are too few for thresholds",
            "give at least two good images, better 50",
        )
    params = fit_rule(goods, rule or YoloRule())
    files = {name: sha256_file(folder / name) for name in (GRAPH, Path(GRAPH).with_suffix(".bin").name)}
    return YoloFit(
        detector=Detector(
            kind="yolo",
            backbone=weights.stem,
            precision=precision,
            threads=threads,
            device=device,
            files=files,
            params=params,
        ),
        preparation=Preparation(height=height, width=width, roi=roi, bits=bits),
        scores=np.array([rule_score(good, params) for good in goods]),
        score=lambda image: rule_score(_look(infer, image, height, width, roi), params),
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
