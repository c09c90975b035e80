"""The edge room: detectors that judge a frame on the line's CPU, and how they are fitted and exported."""

from __future__ import annotations

from saec.contracts import EdgeDetector
from saec.errors import LineError
from saec.profile import LineProfile


def open_detector(profile: LineProfile) -> EdgeDetector:
    """The detector of a line profile, ready to inspect.

    Raises:
        LineError: it has none, or one that cannot be loaded.
    """
    if profile.line.detector.kind == "none":
        raise LineError(
            f"{profile.folder} has no detector: it was made for a cloud that judges alone",
            "fit a line on the data set with `saec fit`",
        )
    if profile.line.detector.kind == "yolo":
        from saec.edge.yolo import YoloDetector

        return YoloDetector(profile)
    from saec.edge.detector import PatchDetector

    return PatchDetector(profile)
