"""The edge room: detectors that judge a frame on the line's CPU, and how they are fitted and exported."""

from __future__ import annotations

from saec.line import LineProfile
from saec.verdict import EdgeDetector


def open_detector(profile: LineProfile) -> EdgeDetector:
    """The detector of a line profile, ready to inspect."""
    if profile.line.detector.kind == "yolo":
        from saec.edge.yolo import YoloDetector

        return YoloDetector(profile)
    from saec.edge.detector import PatchDetector

    return PatchDetector(profile)
