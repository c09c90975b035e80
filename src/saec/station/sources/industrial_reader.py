"""Hands an industrial camera's pictures over, and opens the camera again and again where it is lost.

The camera's driver has a thread of its own, since it may hang. It is not opened again before that thread has
come back.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Literal

import structlog

from saec.errors import CameraLostError, SaecError, SpoolFullError
from saec.station.cameras.camera_contract import FeatureValue, FoundCamera
from saec.station.cameras.camera_driver import CameraDriver, CameraTimes, Opener, TakenPicture
from saec.station.cameras.camera_settings import CameraSetup
from saec.station.cameras.pixel_formats import decoded_pixels
from saec.station.sources.frame_source import HANGS, SourceHooks, png_bytes, pnm_bytes
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping
from saec.types import Capture

LOST, CONNECTED, REFUSING, INCOMPLETE = "lost", "connected", "refusing", "incomplete"
"""States: does not answer; gives pictures; refuses the settings; its pictures lose packets."""

StoredForm = Literal["png", "pnm"]

_FIRST, _LONGEST = 0.5, 30.0
"""Seconds before a lost camera is opened again, at first and at most."""

_LOOK = 0.1
_FAREWELL = 1.0
"""Seconds within which a driver that is told to end does; one that does not hangs."""

_SETTING = 5.0
"""Seconds within which a camera that is open takes other features."""

_NOTED = 1.0
"""Seconds between two notes of pictures that came to nothing."""

_KEPT = 16
"""Pictures that may wait for the station."""

log = structlog.get_logger()


class PictureTray:
    """Where the driver's thread puts pictures, and the source's thread takes them.

    Args:
        interval: seconds between pictures of a camera that runs by itself, of which the newest is kept; 0
            keeps all.
        hooks: is told of a trigger whose picture finds no room.
    """

    def __init__(self, interval: float, hooks: SourceHooks) -> None:
        self._changed = threading.Condition()
        self._interval, self._hooks = interval, hooks
        self._waiting: deque[TakenPicture] = deque(maxlen=1 if interval else None)
        self._last = -interval
        self._amiss: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self.found: FoundCamera | None = None

    def opened(self, found: FoundCamera) -> None:
        with self._changed:
            self.found = found
            self._changed.notify_all()

    def put(self, taken: TakenPicture) -> None:
        now = time.monotonic()
        if now - self._last < self._interval:
            return
        self._last = now
        with self._changed:
            if len(self._waiting) >= _KEPT:
                self._amiss["dropped"] += 1
                if taken.trigger is not None:
                    self._hooks.triggers.failed(taken.trigger, "the station is slower than the camera")
                return
            self._waiting.append(taken)
            self._changed.notify_all()

    def amiss(self, what: str, more: int, why: str) -> None:
        with self._changed:
            self._amiss[what] += more
            self._why[what] = why

    def set_anew(self) -> None:
        with self._changed:
            for taken in self._waiting:
                if taken.trigger is not None:
                    self._hooks.triggers.failed(taken.trigger, "the camera was set anew after the picture")
            self._waiting.clear()

    def wait(self, seconds: float) -> None:
        """Wait for a picture for so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, seconds)

    def take(self) -> TakenPicture | None:
        """The oldest picture, if there is one."""
        with self._changed:
            return self._waiting.popleft() if self._waiting else None

    def faults(self) -> dict[str, tuple[int, str]]:
        """What came to nothing since the last call: how many, and why the last did."""
        with self._changed:
            found = {what: (more, self._why.get(what, "")) for what, more in self._amiss.items()}
            self._amiss.clear()
            return found


class _Attempt:
    """The driver's thread, from the opening of the camera to its end."""

    def __init__(self, name: str, driver: CameraDriver) -> None:
        self.driver, self.over = driver, threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"saec-camera-{name}", daemon=True)

    def _run(self) -> None:
        try:
            self.driver.run(self.over)
        except Exception as e:
            self.failure = e

    def hangs(self, limit: float) -> bool:
        return self.thread.is_alive() and time.monotonic() - self.driver.turned > limit


class IndustrialReader:
    """An industrial camera as a source's body.

    Args:
        name: the source's name.
        line: who judges its frames, where no trigger says so.
        setup: which camera, and what it is set to.
        times: how long is waited.
        hooks: where frames, alarms and counts go.
        open_camera: finds and opens the camera.
        stored: form of the frames.
    """

    def __init__(
        self,
        name: str,
        line: str,
        setup: CameraSetup,
        times: CameraTimes,
        hooks: SourceHooks,
        open_camera: Opener,
        *,
        stored: StoredForm = "png",
    ) -> None:
        self._stored = stored
        self._name, self._line, self._setup, self._times = name, line, setup, times
        self._hooks, self._open = hooks, open_camera
        self._seen: FoundCamera | None = None
        self._told = ""
        self._more: Mapping[str, FeatureValue] = {}
        self._driver: CameraDriver | None = None
        self._handing = threading.Lock()
        self._number, self._noted = 0, -_NOTED
        self.state = LOST

    def run(self, stopping: Stopping) -> None:
        pause = _FIRST
        while not stopping.is_set():
            tray = PictureTray(0.0 if self._setup.on_trigger else self._times.interval, self._hooks)
            board = self._hooks.triggers
            driver = CameraDriver(self._name, self._setup, self._times, board, tray, self._open, self._more)
            self._driver = driver
            attempt = _Attempt(self._name, driver)
            attempt.thread.start()
            opened = self._use(tray, attempt, stopping)
            self._driver = None
            attempt.over.set()
            self._leave(attempt, stopping)
            self._note(tray, at_once=True)
            if stopping.is_set():
                return
            self._tell(attempt.failure)
            pause = _FIRST if opened else min(2 * pause, _LONGEST)
            self._rest(pause, stopping)

    def apply_features(self, features: Mapping[str, FeatureValue]) -> None:
        """Set features for the pictures from now on, and whenever the camera is opened anew.

        It is called by another thread than the source's own. No picture that was taken before is handed over
        after it returns.

        Raises:
            MachineError: the camera does not take one.
            CameraLostError: the camera does not answer now.
        """
        self._more = dict(features)
        driver = self._driver
        if driver is None:
            raise CameraLostError(f"the camera of {self._name} is {self.state}", "see the source's state")
        driver.apply_features(self._more, _SETTING)
        with self._handing:
            pass  # a picture that was under way when the features changed is the spool's now

    def _use(self, tray: PictureTray, attempt: _Attempt, stopping: Stopping) -> bool:
        """Hand pictures over until the driver ends; whether the camera could be opened."""
        opened = False
        while not stopping.is_set():
            ended = not attempt.thread.is_alive()
            tray.wait(0 if ended else _LOOK)
            if not opened and tray.found is not None:
                opened = True
                self._opened(tray.found)
            self._note(tray)
            if self._hand_next(tray):
                continue
            if ended or attempt.hangs(self._times.step):
                break
            if attempt.driver.failing:
                self.state = LOST
            if not opened or attempt.driver.failing:
                self._fail_triggers()
        return opened

    def _opened(self, found: FoundCamera) -> None:
        self.state, self._told = CONNECTED, ""
        log.info("camera opened", source=self._name, camera=found.id, address=found.address)
        seen, self._seen = self._seen, found
        if seen is not None and seen.id == found.id and seen.address != found.address:
            text = f"{self._name}: the camera {found.id} has another address, {found.address}"
            self._hooks.alarm("camera-address", f"{text}; before it was {seen.address}")

    def _leave(self, attempt: _Attempt, stopping: Stopping) -> None:
        """Wait for a driver that was told to end; where it hangs, until it comes back."""
        attempt.thread.join(_FAREWELL)
        if not attempt.thread.is_alive() or stopping.is_set():
            return
        self.state = HANGS
        remedy = "it is opened again when the driver returns, or when the station is restarted"
        self._hooks.alarm("camera", f"{self._name} hangs in its driver; {remedy}")
        log.error("camera hangs", source=self._name)
        while attempt.thread.is_alive() and not stopping.is_set():
            attempt.thread.join(_LOOK)
            self._fail_triggers()

    def _tell(self, failure: BaseException | None) -> None:
        """An alarm for each new reason why the camera is not there."""
        refuses = isinstance(failure, SaecError) and not isinstance(failure, CameraLostError)
        self.state = REFUSING if refuses else LOST
        text = f"{self._name}: {failure or 'the driver has ended'}"
        log.warning("camera lost", source=self._name, reason=text)
        if text != self._told:
            again = "The station opens the camera again and again"
            if refuses:
                self._hooks.alarm("camera-settings", f"{text}. {again}")
            else:
                self._hooks.alarm("camera", f"{text}. {again}")
        self._told = text

    def _rest(self, seconds: float, stopping: Stopping) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not stopping.wait(min(_LOOK, seconds)):
            self._fail_triggers()

    def _fail_triggers(self) -> None:
        """A trigger finds no camera: its PLC learns so at once, and gets no other part's picture later."""
        while (trigger := self._hooks.triggers.claim(self._name)) is not None:
            self._hooks.counted("missed", 1)
            self._hooks.triggers.failed(trigger, f"the camera of {self._name} is {self.state}")

    def _note(self, tray: PictureTray, at_once: bool = False) -> None:
        now = time.monotonic()
        if now - self._noted < _NOTED and not at_once:
            return
        self._noted = now
        faults = tray.faults()
        for what, (more, why) in faults.items():
            self._hooks.counted(what, more)
            text = f"{self._name}: {more} pictures {what}: {why}"
            if what in ("lost", "incomplete"):
                self._hooks.alarm("camera-pictures", text)
            elif what == "missed":
                self._hooks.alarm("camera-trigger", text)
        if self.state in (CONNECTED, INCOMPLETE):
            lossy = not faults.keys().isdisjoint(("lost", "incomplete"))
            self.state = INCOMPLETE if lossy else CONNECTED

    def _hand_next(self, tray: PictureTray) -> bool:
        """Hand the next picture over, if there is one; whether there was."""
        with self._handing:
            taken = tray.take()
            if taken is not None:
                self._hand_over(taken)
        return taken is not None

    def _hand_over(self, taken: TakenPicture) -> None:
        trigger, why = taken.trigger, "the station has no room"
        self._number += 1
        try:
            with contextlib.suppress(SpoolFullError):  # counted already
                self._hooks.accept(*self._frame(taken))
                return
        except SaecError as e:
            why = str(e)
            self._hooks.refused(self._name, why)
        if trigger is not None:
            self._hooks.triggers.failed(trigger, why)

    def _frame(self, taken: TakenPicture) -> tuple[NewFrame, bytes]:
        """The frame of a whole picture, and its file."""
        trigger, picture = taken.trigger, taken.picture
        assert picture.pixels is not None, "only whole pictures are put"
        image = decoded_pixels(picture.pixels)
        data, suffix = (png_bytes(image), ".png") if self._stored == "png" else pnm_bytes(image)
        capture = Capture() if trigger is None else trigger.capture
        frame = NewFrame(
            line=self._line if trigger is None else trigger.line,
            source=self._name,
            key=f"{self._name}/{taken.captured:.6f}/{self._number}",
            suffix=suffix,
            captured=taken.captured,
            part="" if trigger is None else trigger.part,
            recipe=None if trigger is None else trigger.recipe,
            capture=Capture(
                plc=capture.plc,
                trigger=capture.trigger,
                number=picture.number,
                camera_time=picture.camera_time,
            ),
        )
        return frame, data
