"""Where frames come from beside HTTP: a folder, watched or played, a camera, a video file.

A source is a file here, and a name in ``AnySource``.

A frame that the spool refuses is counted by the spool's owner; a folder keeps its file and tries again, a
camera goes on with its newest frame.
"""

from __future__ import annotations

from saec.station.sources.camera_reader import CameraSource
from saec.station.sources.industrial_source import IndustrialSource
from saec.station.sources.simulated_camera import SimulatedCameraSource
from saec.station.sources.video import VideoSource
from saec.station.sources.watched_folder import FolderSource

__all__ = [
    "AnySource",
    "CameraSource",
    "FolderSource",
    "IndustrialSource",
    "SimulatedCameraSource",
    "VideoSource",
]

AnySource = FolderSource | CameraSource | IndustrialSource | VideoSource | SimulatedCameraSource
"""The settings of every kind of source; the kind is told by its tag (``kind = "folder"``)."""
