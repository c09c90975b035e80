"""Where frames come from beside HTTP: a watched folder, a camera, a video file; one file each.

A frame that the spool refuses is counted by the spool's owner; a folder keeps its file and tries again, a
camera goes on with its newest frame.
"""

from __future__ import annotations

from saec.station.setup.station_settings import FolderSource, SourceSettings, VideoSource
from saec.station.sources.camera_reader import CameraReader
from saec.station.sources.frame_source import AcceptFrame, FrameRefused, Remember, SourceAlarm, SourceBody
from saec.station.sources.video import Video
from saec.station.sources.watched_folder import WatchedFolder


def open_source(
    settings: SourceSettings,
    accept: AcceptFrame,
    refused: FrameRefused,
    alarm: SourceAlarm,
    remember: Remember,
) -> SourceBody:
    """A source by its settings; nothing is opened yet.

    Args:
        remember: keeps the keys of a watched folder's files that stay where they are.
    """
    if isinstance(settings, FolderSource):
        return WatchedFolder(settings, accept, refused, alarm, remember)
    if isinstance(settings, VideoSource):
        return Video(settings, accept, refused)
    return CameraReader(settings, accept, refused, alarm)
