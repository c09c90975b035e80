"""An RTSP or USB camera as a source of frames."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import cv2
import numpy as np
import structlog

from saec.errors import SaecError, SpoolFullError
from saec.station.section_types import Seconds
from saec.station.sources.frame_source import (
    HANGS,
    AcceptFrame,
    FrameRefused,
    SourceAlarm,
    SourceHooks,
    SourceSettings,
    png_bytes,
)
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping
from saec.texts import whole_number
from saec.types import Image

_FAREWELL = 1.0
"""Seconds within which a reader that is told to end does; one that does not hangs in its driver."""

_LOOK = 0.1

log = structlog.get_logger()


class LatestFrame:
    """One place for the newest frame: a new one takes the place of one that nobody has fetched."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: tuple[Image, float] | None = None
        self.dropped = 0

    def put(self, image: Image, captured: float) -> None:
        with self._changed:
            self.dropped += self._item is not None
            self._item = (image, captured)
            self._changed.notify_all()

    def take(self, seconds: float) -> tuple[Image, float] | None:
        """The newest frame; waits for one for so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None, seconds)
            item, self._item = self._item, None
            return item


class CameraSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="camera"):
    """A [[source]] of kind "camera": an RTSP or USB camera.

    The newest frame is taken. Older ones are dropped, and counted.

    Attributes:
        address: "rtsp://...", or the number of a USB camera such as "0".
        interval_s: Seconds between two frames that are taken.
        open_timeout_s: Seconds to wait for a camera that is opened, before it is opened again.
        read_timeout_s: Seconds to wait for a frame, before the camera is opened again.
    """

    address: str
    interval_s: Seconds = 0.5
    open_timeout_s: Seconds = 10.0
    read_timeout_s: Seconds = 5.0

    def make_source(self, hooks: SourceHooks) -> CameraReader:
        return CameraReader(self, hooks.accept, hooks.refused, hooks.alarm)

    def by_itself(self) -> str:
        return 'is of kind "camera", whose newest picture may be older than the trigger'


class CameraReader:
    """A camera that is read as fast as it gives frames, so that none is old, and used at an interval.

    The reader is a thread of its own that may hang in the driver: OpenCV's time-outs end it where the driver
    heeds them. Where it does not, the camera is not opened again before the reader has come back, so that one
    reader at most is ever left behind; and the station can stop.
    """

    def __init__(
        self, settings: CameraSource, accept: AcceptFrame, refused: FrameRefused, alarm: SourceAlarm
    ) -> None:
        self._s, self._accept, self._refused, self._alarm = settings, accept, refused, alarm
        self.state = "lost"

    def run(self, stopping: Stopping) -> None:
        pause, told = 0.5, False
        while not stopping.is_set():
            latest, over = LatestFrame(), threading.Event()
            reader = threading.Thread(target=self._read, args=(latest, over), daemon=True)
            reader.start()
            frames = self._use(latest, over, stopping)
            over.set()
            self._leave(reader, stopping)
            self.state = "lost"
            pause = 0.5 if frames else min(2 * pause, 30.0)
            if not stopping.is_set():
                if frames or not told:  # one alarm a spell
                    self._alarm(
                        "camera", f"{self._s.name} gives no frames; the station opens it again and again"
                    )
                told = True
                log.warning("camera lost", source=self._s.name, again_in=pause)
                stopping.wait(pause)

    def _leave(self, reader: threading.Thread, stopping: Stopping) -> None:
        """Wait for a reader that was told to end; where it hangs in its driver, until it comes back."""
        reader.join(_FAREWELL)
        if not reader.is_alive() or stopping.is_set():
            return
        self.state = HANGS
        text = (
            "hangs in its driver; it is opened again when the driver returns, or when "
            "the station is restarted"
        )
        self._alarm("camera", f"{self._s.name} {text}")
        log.error("camera hangs", source=self._s.name)
        while reader.is_alive() and not stopping.is_set():
            reader.join(_LOOK)
        if not reader.is_alive():
            log.warning("camera driver answers again", source=self._s.name)

    def _use(self, latest: LatestFrame, over: threading.Event, stopping: Stopping) -> int:
        """Hand frames over until the camera is lost; how many came."""
        frames, patience, due = 0, self._s.open_timeout_s, time.monotonic()
        while not stopping.is_set() and not over.is_set():
            begun = time.monotonic()
            item = None
            while item is None and not over.is_set() and time.monotonic() - begun < patience:
                if stopping.is_set():
                    return frames
                item = latest.take(0.1)
            if item is None:
                return frames
            self.state, patience = "connected", self._s.read_timeout_s
            frames += 1
            self._hand_over(*item, number=frames)
            due = max(due + self._s.interval_s, time.monotonic())
            stopping.wait(due - time.monotonic())
        return frames

    def _hand_over(self, image: Image, captured: float, number: int) -> None:
        frame = NewFrame(
            line=self._s.line,
            source=self._s.name,
            key=f"{self._s.name}/{captured:.6f}/{number}",
            suffix=".png",
            captured=captured,
        )
        try:
            with contextlib.suppress(SpoolFullError):  # counted already; the next frame is newer
                self._accept(frame, png_bytes(image))
        except SaecError as e:
            self._refused(self._s.name, str(e))

    def _read(self, latest: LatestFrame, over: threading.Event) -> None:
        number = whole_number(self._s.address)
        address: Any = self._s.address if number is None else number
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1e3 * self._s.open_timeout_s)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1e3 * self._s.read_timeout_s)),
        ]
        backend = cv2.CAP_ANY if isinstance(address, int) else cv2.CAP_FFMPEG
        capture = cv2.VideoCapture(address, backend, [] if isinstance(address, int) else limits)
        try:
            while not over.is_set():
                read, image = capture.read()
                if not read:
                    break
                latest.put(np.asarray(image[..., ::-1], np.uint8), time.time())
        finally:
            capture.release()
            over.set()
