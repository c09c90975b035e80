"""The detectors that a line can have. A detector is a file here, and a line in ``DETECTORS``."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Annotated, Any, NamedTuple

import msgspec

from saec.contracts import EdgeDetector
from saec.edge.graph import SLIGHT
from saec.errors import LineError
from saec.profile import LineProfile
from saec.settings.setting_fields import Everyday, ExistingFile, Option, Share

NONE = "none"
"""The name in the profile of a line without a detector, whose cloud judges every frame alone."""


class FitChoices(msgspec.Struct, frozen=True, kw_only=True):
    """The section [detector]: the kind of detector, and what it is told beside ``FitConfig``.

    A detector refuses a choice that is another one's.

    Attributes:
        kind: The kind of detector. "patch" compares a frame with patches of good images and makes an anomaly
            map. "yolo" is your own YOLO classifier (--yolo) and makes no map.
        yolo: The classifier's file: OpenVINO, ONNX, TFLite or .pt. It is for --detector yolo.
        yolo_smax: The edge is not sure of a frame if its highest class probability is below this. Default: 20
            % of the good images lie below.
        yolo_margin: The edge is not sure of a frame if its two highest class probabilities differ by less
            than this. Default: 20 % of the good images lie below.
        yolo_entropy: The edge is not sure of a frame if the entropy of its class probabilities is above this.
            The entropy is given as a share of its maximum. Default: 20 % of the good images lie above.
        onnx: Also write the detector to OUT/detector.onnx. It is for --detector patch.
    """

    kind: Annotated[str, Option(name="--detector", everyday=True, kind="detector")] = "patch"
    yolo: Everyday[ExistingFile | None] = None
    yolo_smax: Share | None = None
    yolo_margin: Share | None = None
    yolo_entropy: Share | None = None
    onnx: bool = False


class DetectorKind(NamedTuple):
    """Where a detector is, as "module:name"; each is imported when it is asked for.

    Attributes:
        detector: the class of the ``EdgeDetector``, which is made of a ``LineProfile``.
        fit: the function from ``FitChoices`` to the detector's fit (``DetectorFit``).
        teaching: the function that goes on from a line's earlier frames (``DetectorTeaching``), or "" where
            the detector cannot be taught.
        own_rule: the detector's own rule sets the line's threshold.
    """

    detector: str
    fit: str
    teaching: str = ""
    own_rule: bool = False


_TRAINING = "saec.edge.training.detector_fit"
DETECTORS = {
    "patch": DetectorKind(
        "saec.edge.detector:PatchDetector",
        f"{_TRAINING}:chosen_patch_fit",
        "saec.edge.learning.patch_learner:go_on",
    ),
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


def detector_fit(choices: FitChoices) -> Any:
    """The fit of a detector (a ``DetectorFit``), under the user's choices.

    Raises:
        LineError: there is no detector of that name.
        ConfigError: a choice is another detector's.
    """
    return resolve_name(detector_kind(choices.kind).fit)(choices)


def on_device(profile: LineProfile, device: str | None) -> LineProfile:
    """The line with its detector on another device; as it is for None, or where there is no detector.

    Args:
        profile: the line.
        device: one of ``saec.edge.graph.devices``, or None.
    """
    line = profile.line
    if device in (None, line.detector.device) or line.detector.kind == NONE:
        return profile
    detector = msgspec.structs.replace(line.detector, device=device)
    return LineProfile(profile.folder, msgspec.structs.replace(line, detector=detector), profile.calibration)


def device_note(profile: LineProfile, device: str | None) -> str | None:
    """What a user must know of a detector on another device than the one of its line; None for its own."""
    own = profile.line.detector.device
    if device in (None, own) or profile.line.detector.kind == NONE:
        return None
    slight = SLIGHT * max(1.0, abs(profile.calibration.threshold))
    return (
        f"The edge runs on {device}, but the line was checked on {own}. A label may differ where the score "
        f"lies within {slight:.2g} of the threshold: so much the check of a fit allows. To be sure, fit on "
        f"{device}, or measure it there with `saec evaluate`."
    )


def detector_teaching(name: str) -> Any:
    """How a detector learns from more frames (a ``DetectorTeaching``).

    Raises:
        LineError: there is no detector of that name, or it cannot be taught.
    """
    teaching = "" if name == NONE else detector_kind(name).teaching
    if not teaching:
        raise LineError(
            f"a line with the detector {name} cannot be taught", "fit a line with the detector patch"
        )
    return resolve_name(teaching)


def open_detector(profile: LineProfile) -> EdgeDetector:
    """The detector of a line profile, ready to inspect.

    Raises:
        LineError: it has none, or one that cannot be loaded.
    """
    name = profile.line.detector.kind
    if name == NONE:
        raise LineError(
            f"{profile.folder} has no edge detector: it was made for a cloud that judges every frame",
            "use policy cloud, or fit a line with `saec fit DATASET --out LINE`",
        )
    try:
        detector: EdgeDetector = resolve_name(detector_kind(name).detector)(profile)
    except (RuntimeError, OSError) as e:  # OpenVINO's, of a file that has gone or is damaged
        raise LineError(
            f"the detector in {profile.folder} cannot be opened: {_last_line(e)}",
            "restore the folder, or fit the line again",
        ) from e
    return detector


def _last_line(error: Exception) -> str:
    """What OpenVINO says, without the places in its own code above it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
