"""Where frames come from beside HTTP: a watched folder, a camera, a video file; one file each.

A frame that the spool refuses is counted by the spool's owner; a folder keeps its file and tries again, a
camera goes on with its newest frame.
"""

from __future__ import annotations

from saec.station.setup.settings import FolderSource, Source, VideoSource
from saec.station.sources.camera import Camera
from saec.station.sources.contract import Accept, Alarm, Refused, Remember, SourceBody
from saec.station.sources.folder import Folder
from saec.station.sources.video import Video


def open_source(
    settings: Source, accept: Accept, refused: Refused, alarm: Alarm, remember: Remember
) -> SourceBody:
    """A source by its settings; nothing is opened yet.

    Args:
        remember: keeps the keys of a watched folder's files that stay where they are.
    """
    if isinstance(settings, FolderSource):
        return Folder(settings, accept, refused, alarm, remember)
    if isinstance(settings, VideoSource):
        return Video(settings, accept, refused)
    return Camera(settings, accept, refused, alarm)
