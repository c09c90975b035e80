"""A video file as a source of frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import cv2
import msgspec

from saec.errors import SaecError, SpoolFullError
from saec.station.sources.frame_source import (
    REST,
    AcceptFrame,
    FrameRefused,
    SourceHooks,
    SourceSettings,
    png_bytes,
)
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping
from saec.types import Image


class VideoSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="video"):
    """A [[source]] of kind "video": the frames of a video file, once.

    Attributes:
        path: The video file.
        every: Take every so many frames: 25 takes the first, the 26th and so on.
        realtime: Take frames at the video's own speed, as from a camera. Otherwise as fast as the station
            accepts them.
    """

    path: Path
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    realtime: bool = False

    ends: ClassVar[bool] = True

    def reads(self) -> Path:
        return self.path

    def make_source(self, hooks: SourceHooks) -> Video:
        return Video(self, hooks.accept, hooks.refused)

    def by_itself(self) -> str:
        return 'is of kind "video", whose pictures are older than the trigger'


class Video:
    """The frames of a video file, once; a frame that the spool refuses is tried again."""

    def __init__(self, settings: VideoSource, accept: AcceptFrame, refused: FrameRefused) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._stamp = 0
        self.state = "playing"

    def run(self, stopping: Stopping) -> None:
        start, self._stamp = time.monotonic(), _stamp(self._s.path)
        for number, at, image in self._frames(stopping):
            if self._s.realtime:
                stopping.wait(max(0.0, start + at - time.monotonic()))
            while not stopping.is_set() and not self._hand_over(image, number):
                stopping.wait(REST)
            if stopping.is_set():
                return
        self.state = "ended"

    def _frames(self, stopping: Stopping) -> Iterator[tuple[int, float, Image]]:
        """Number, seconds from the beginning, and picture."""
        capture = cv2.VideoCapture(str(self._s.path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            self._refused(self._s.name, f"{self._s.path} is not a video that can be read")
            return
        rate, number = capture.get(cv2.CAP_PROP_FPS) or 25.0, 0
        try:
            while not stopping.is_set():
                read, image = capture.read()
                if not read:
                    return
                if number % self._s.every == 0:
                    yield number, number / rate, image[..., ::-1]  # type: ignore[misc]
                number += 1
        finally:
            capture.release()

    def _hand_over(self, image: Image, number: int) -> bool:
        frame = NewFrame(
            line=self._s.line,
            source=self._s.name,
            key=f"{self._s.name}/{self._s.path.name}@{self._stamp}/{number}",
            suffix=".png",
            captured=time.time(),
        )
        try:
            self._accept(frame, png_bytes(image))
        except SpoolFullError:  # counted already
            return False
        except SaecError as e:
            self._refused(self._s.name, str(e))
        return True


def _stamp(path: Path) -> int:
    """A file's time in ns: another video under the same name is another."""
    return path.stat().st_mtime_ns if path.exists() else 0
