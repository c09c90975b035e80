"""The edge room: detectors that judge a frame on the line's CPU, and how they are fitted and exported."""

from saec.edge.detector_kinds import open_detector

__all__ = ["open_detector"]
