"""Where frames come from beside HTTP: a watched folder, a camera, a video file.

Each is a thread's body that hands frames to ``Accept`` and returns when the station stops. A frame that the
spool refuses is counted by the spool's owner; a folder keeps its file and tries again, a camera goes on with
its newest frame.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import structlog

from saec.data.images import SUFFIXES
from saec.errors import SaecError, SpoolError, SpoolFullError
from saec.pipeline.judge import printable
from saec.station.records import Accepted, NewFrame
from saec.station.settings import CameraSource, FolderSource, Source, VideoSource
from saec.station.threads import Stopping
from saec.verdict import Image

LARGEST = 64 * 1024 * 1024
"""Bytes of the largest file that is read."""

_REST = 2.0
"""Seconds to wait after the spool has refused a frame."""

_FAREWELL = 1.0
"""Seconds to wait for a reader that is told to end; one that hangs in its driver is left behind."""

log = structlog.get_logger()


class Accept(Protocol):
    """Hands a frame to the spool; what it raises says why it was not taken.

    Raises:
        SpoolFullError: no room; it has been counted, and an alarm raised.
        SaecError: another reason, for ``Refused``.
    """

    def __call__(self, frame: NewFrame, data: bytes) -> Accepted: ...


Refused = Callable[[str, str], None]
"""Told the source's name and the reason of each frame that was not taken, but for want of room."""

Alarm = Callable[[str, str], None]
"""Told the kind and the text of what a person should know."""


class SourceBody(Protocol):
    state: str
    """One word for the status page."""

    def run(self, stopping: Stopping) -> None:
        """Hand frames over until the station stops."""
        ...


def open_source(settings: Source, accept: Accept, refused: Refused, alarm: Alarm, data: Path) -> SourceBody:
    """A source by its settings; nothing is opened yet.

    Args:
        data: the station's folder, where a watched folder's files go after they were accepted.
    """
    if isinstance(settings, FolderSource):
        return Folder(settings, accept, refused, data)
    if isinstance(settings, VideoSource):
        return Video(settings, accept, refused)
    return Camera(settings, accept, refused, alarm)


class Folder:
    """Files that appear in a folder, each once, the oldest first.

    A file is read when neither its size nor its time has changed for ``settle`` seconds. Its key is its name,
    time and size, so a file that was accepted just before a crash is not judged again.
    """

    def __init__(self, settings: FolderSource, accept: Accept, refused: Refused, data: Path) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._moved = data / "taken" / settings.name
        self.state = "watching"
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._done: set[tuple[Path, tuple[int, int]]] = set()

    def run(self, stopping: Stopping) -> None:
        self._s.path.mkdir(parents=True, exist_ok=True)
        while not stopping.is_set():
            full = self.look(time.monotonic())
            stopping.wait(_REST if full else self._s.poll)

    def look(self, now: float) -> bool:
        """Take every file that has settled; whether the spool refused one."""
        found = self._files()
        self._seen = {path: self._seen.get(path, (stamp, now)) for path, stamp in found.items()}
        self._done &= set(found.items())
        for path, stamp in sorted(found.items(), key=lambda item: (item[1][0], str(item[0]))):
            last, since = self._seen[path]
            if last != stamp:
                self._seen[path] = (stamp, now)
            elif now - since >= self._s.settle and (path, stamp) not in self._done:
                if not self._take(path, stamp):
                    return True
                self._done.add((path, stamp))
        return False

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Image files with their time (ns) and size; a name that begins with a dot is still being written."""
        found: dict[Path, tuple[int, int]] = {}
        for folder, folders, names in os.walk(self._s.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder) / name
                if name.startswith(".") or path.suffix.lower() not in SUFFIXES or path.is_symlink():
                    continue
                try:
                    status = path.stat()
                except OSError:
                    continue  # it has gone
                if stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                    found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _take(self, path: Path, stamp: tuple[int, int]) -> bool:
        """Hand one file over; False where there is no room for it now."""
        name = printable(path.relative_to(self._s.path).as_posix())
        try:
            if stamp[1] > LARGEST:
                raise SpoolError(f"{name} has {stamp[1]} bytes", f"give files of at most {LARGEST}")
            data = path.read_bytes()
            frame = NewFrame(
                line=self._s.line,
                source=self._s.name,
                key=f"{self._s.name}/{name}@{stamp[0]}+{stamp[1]}",
                suffix=path.suffix.lower(),
                captured=stamp[0] / 1e9,
            )
            self._accept(frame, data)
        except SpoolFullError:  # counted already
            return False
        except (SaecError, OSError) as e:  # this file's own fault: it stays, and is not tried again
            self._refused(self._s.name, str(e))
            return True
        self._put_away(path)
        return True

    def _put_away(self, path: Path) -> None:
        """After the frame is safe in the spool; a file that stays where it is has its key."""
        try:
            if self._s.after == "delete":
                path.unlink()
            elif self._s.after == "move":
                target = self._moved / path.relative_to(self._s.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        except OSError as e:
            log.warning("file not put away", source=self._s.name, file=str(path), error=str(e))


class Latest:
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


class Camera:
    """A camera that is read as fast as it gives frames, so that none is old, and used at an interval.

    The reader is a thread of its own that may hang in the driver: OpenCV's time-outs end it where the driver
    heeds them. Where it does not, the reader is left behind and another is begun, and the station can stop.
    """

    def __init__(self, settings: CameraSource, accept: Accept, refused: Refused, alarm: Alarm) -> None:
        self._s, self._accept, self._refused, self._alarm = settings, accept, refused, alarm
        self.state = "lost"

    def run(self, stopping: Stopping) -> None:
        pause, told = 0.5, False
        while not stopping.is_set():
            latest, over = Latest(), threading.Event()
            reader = threading.Thread(target=self._read, args=(latest, over), daemon=True)
            reader.start()
            frames = self._use(latest, over, stopping)
            over.set()
            reader.join(_FAREWELL)
            self.state = "lost"
            pause = 0.5 if frames else min(2 * pause, 30.0)
            if not stopping.is_set():
                if frames or not told:  # one alarm a spell
                    self._alarm("camera", f"{self._s.name} gives no frames; it is opened again and again")
                told = True
                log.warning("camera lost", source=self._s.name, again_in=pause)
                stopping.wait(pause)

    def _use(self, latest: Latest, over: threading.Event, stopping: Stopping) -> int:
        """Hand frames over until the camera is lost; how many came."""
        frames, patience, due = 0, self._s.open_timeout, time.monotonic()
        while not stopping.is_set() and not over.is_set():
            begun = time.monotonic()
            item = None
            while item is None and not over.is_set() and time.monotonic() - begun < patience:
                if stopping.is_set():
                    return frames
                item = latest.take(0.1)
            if item is None:
                return frames
            self.state, patience = "connected", self._s.read_timeout
            frames += 1
            self._hand_over(*item, number=frames)
            due = max(due + self._s.interval, time.monotonic())
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
                self._accept(frame, _png(image))
        except SaecError as e:
            self._refused(self._s.name, str(e))

    def _read(self, latest: Latest, over: threading.Event) -> None:
        address: Any = int(self._s.address) if self._s.address.isdigit() else self._s.address
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1e3 * self._s.open_timeout)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1e3 * self._s.read_timeout)),
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


class Video:
    """The frames of a video file, once; a frame that the spool refuses is tried again."""

    def __init__(self, settings: VideoSource, accept: Accept, refused: Refused) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._stamp = 0
        self.state = "playing"

    def run(self, stopping: Stopping) -> None:
        start, self._stamp = time.monotonic(), _stamp(self._s.path)
        for number, at, image in self._frames():
            if self._s.realtime:
                stopping.wait(max(0.0, start + at - time.monotonic()))
            while not stopping.is_set() and not self._hand_over(image, number):
                stopping.wait(_REST)
            if stopping.is_set():
                return
        self.state = "ended"

    def _frames(self) -> Iterator[tuple[int, float, Image]]:
        """Number, seconds from the beginning, and picture."""
        capture = cv2.VideoCapture(str(self._s.path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            self._refused(self._s.name, f"{self._s.path} is no video that can be read")
            return
        rate, number = capture.get(cv2.CAP_PROP_FPS) or 25.0, 0
        try:
            while True:
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
            self._accept(frame, _png(image))
        except SpoolFullError:  # counted already
            return False
        except SaecError as e:
            self._refused(self._s.name, str(e))
        return True


def _stamp(path: Path) -> int:
    """A file's time in ns: another video under the same name is another."""
    return path.stat().st_mtime_ns if path.exists() else 0


def _png(image: Image) -> bytes:
    """PNG of little compression: what the edge sees is what the camera gave."""
    done, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise SpoolError(f"a frame of {image.shape} cannot be kept", "look at the camera's settings")
    return data.tobytes()
