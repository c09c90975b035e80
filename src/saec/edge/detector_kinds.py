"""The detectors that a line can have. A detector is a file here, and a line in ``DETECTORS``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

from saec.contracts import EdgeDetector
from saec.errors import LineError
from saec.profile import LineProfile

NONE = "none"
"""The name in the profile of a line without a detector, whose cloud judges every frame alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitChoices:
    """What a user may say of a fit beside ``FitConfig``; a detector refuses what it cannot heed.

    Attributes:
        weights: the file of a classifier's weights.
        smax, margin, entropy: a classifier's own thresholds; None takes quantiles of the goods.
        onnx: the graph is written as ONNX too.
    """

    weights: Path | None = None
    smax: float | None = None
    margin: float | None = None
    entropy: float | None = None
    onnx: bool = False


class DetectorKind(NamedTuple):
    """Where a detector is, as "module:name"; each is imported when it is asked for.

    Attributes:
        detector: the class of the ``EdgeDetector``, which is made of a ``LineProfile``.
        fit: the function from ``FitChoices`` to the detector's fit (``DetectorFit``).
        own_rule: the detector's own rule sets the line's threshold.
    """

    detector: str
    fit: str
    own_rule: bool = False


_TRAINING = "saec.edge.training.detector_fit"
DETECTORS = {
    "patch": DetectorKind("saec.edge.detector:PatchDetector", f"{_TRAINING}:chosen_patch_fit"),
    "yolo": DetectorKind("saec.edge.yolo:YoloDetector", f"{_TRAINING}:chosen_yolo_fit", own_rule=True),
}


def detector_kind(name: str) -> DetectorKind:
    """What is known of a detector.

    Raises:
        LineError: there is none of that name.
    """
    if name not in DETECTORS:
        raise LineError(f"no detector {name}", f"fit the line again with one of {', '.join(DETECTORS)}")
    return DETECTORS[name]


def detector_fit(name: str, choices: FitChoices) -> Any:
    """The fit of a detector (a ``DetectorFit``), under the user's choices.

    Raises:
        LineError: there is no detector of that name.
        ConfigError: a choice is another detector's.
    """
    return resolve_name(detector_kind(name).fit)(choices)


def open_detector(profile: LineProfile) -> EdgeDetector:
    """The detector of a line profile, ready to inspect.

    Raises:
        LineError: it has none, or one that cannot be loaded.
    """
    name = profile.line.detector.kind
    if name == NONE:
        raise LineError(
            f"{profile.folder} has no edge detector: it was made for a cloud that judges every frame",
            "use --policy cloud, or fit a line with `saec fit DATASET --out LINE`",
        )
    detector: EdgeDetector = resolve_name(detector_kind(name).detector)(profile)
    return detector
