"""The one thread that talks to an industrial camera: opens and sets it, fires its trigger, fetches pictures.

A picture belongs to a trigger only if the camera can have exposed it for that one. Where a trigger was
withdrawn, acquisition is stopped and started again before the next is served, so that no late picture comes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_contract import CameraPicture, FeatureValue, FoundCamera, IndustrialCamera
from saec.station.cameras.camera_settings import CameraSetup, set_up_camera
from saec.station.cameras.feature_checks import set_features
from saec.station.triggers.trigger_board import Trigger, TriggerBoard

LOOK = 0.05
"""Seconds of one wait for a picture or a trigger."""

_LARGEST_GAP = 10_000
"""Numbers missing at once beyond which the camera has begun to count anew."""

_WRAP = 0xFFFF
"""Greatest number of a GigE Vision camera that counts in 16 bits; 1 comes after it."""


class TakenPicture(NamedTuple):
    """A whole picture, and what it was taken for.

    Attributes:
        picture: the camera's.
        captured: when it arrived, seconds since the epoch.
        trigger: the trigger that it belongs to; None without one.
    """

    picture: CameraPicture
    captured: float
    trigger: Trigger | None


class PictureOutlet(Protocol):
    """Where the driver puts what comes; every call returns at once."""

    def opened(self, found: FoundCamera) -> None:
        """The camera is open, set and started."""
        ...

    def put(self, taken: TakenPicture) -> None:
        """A whole picture has come."""
        ...

    def amiss(self, what: str, more: int, why: str) -> None:
        """Pictures were "lost", "incomplete", "missed" or "stray"; how many, and why."""
        ...

    def set_anew(self) -> None:
        """Features were changed: what was put before and is not handed over shows the older ones."""
        ...


class CameraTimes(NamedTuple):
    """Limits in seconds.

    Attributes:
        picture: wait for the picture of a software trigger.
        silence: wait for a picture of a camera that runs by itself, before it counts as lost.
        ahead: lead that a picture may have over the news of its trigger.
        interval: least time between two pictures of a camera that runs by itself.
        step: longest step of the camera's driver; beyond it the driver hangs.
    """

    picture: float = 1.0
    silence: float = 5.0
    ahead: float = 0.02
    interval: float = 0.0
    step: float = 30.0


class _Change:
    """Features that another thread wants to be set."""

    def __init__(self, features: Mapping[str, FeatureValue]) -> None:
        self.features, self.done = features, threading.Event()
        self.failure: MachineError | None = None


Opener = Callable[[CameraSetup], IndustrialCamera]
"""Finds and opens the camera of the settings."""


class FrameNumbers:
    """The camera's numbers of its pictures, and how many are missing between them."""

    def __init__(self) -> None:
        self._last: int | None = None

    def missing_before(self, number: int | None) -> int:
        """How many numbers were left out before this one."""
        last, self._last = self._last, number
        if last is None or number is None:
            return 0
        if number <= last:  # begun anew, or wrapped round
            gap = _WRAP - last + number - 1 if last <= _WRAP and number < last else 0
        else:
            gap = number - last - 1
        return gap if 0 <= gap <= _LARGEST_GAP else 0

    def restart(self) -> None:
        """The next number may be any."""
        self._last = None


class CameraDriver:
    """Runs one camera until it is told to end, or the camera fails.

    Args:
        source: the source's name, under which its triggers wait.
        setup: which camera, and what it is set to.
        times: how long is waited.
        board: the triggers.
        outlet: where pictures go.
        open_camera: opens it.
        more: features that are set after the setup's.

    Attributes:
        failing: the camera has failed, and is let go of, which may take seconds.
        turned: when it last came back from the camera's driver, seconds of ``time.monotonic``.
    """

    def __init__(
        self,
        source: str,
        setup: CameraSetup,
        times: CameraTimes,
        board: TriggerBoard,
        outlet: PictureOutlet,
        open_camera: Opener,
        more: Mapping[str, FeatureValue] | None = None,
    ) -> None:
        self._more = more or {}
        self._changes: queue.SimpleQueue[_Change] = queue.SimpleQueue()
        self._source, self._setup, self._times = source, setup, times
        self._board, self._outlet, self._open = board, outlet, open_camera
        self._numbers, self._drained = FrameNumbers(), board.withdrawn(source)
        self._over = threading.Event()
        self.failing = False
        self._heard = self.turned = time.monotonic()

    def run(self, over: threading.Event) -> None:
        """Until ``over`` is set.

        Raises:
            CameraLostError: the camera does not answer, or no longer.
            MachineError: it does not do what the settings ask.
            ExtraError: its back end is not installed.
        """
        self._over = over
        camera = self._open(self._setup)
        try:
            set_up_camera(camera, self._setup)
            set_features(camera, self._more.items())
            self._drained = self._board.withdrawn(self._source)
            camera.start()
            self._outlet.opened(camera.found)
            turn = {"off": self._free, "sensor": self._sensor}.get(self._setup.trigger, self._hardware)
            turn = self._software if self._setup.trigger == "software" else turn
            self._heard = self.turned = time.monotonic()
            while not over.is_set():
                self._change(camera)
                turn(camera)
                self.turned = time.monotonic()
        except MachineError:
            self.failing = True
            raise
        finally:
            camera.close()

    def apply_features(self, features: Mapping[str, FeatureValue], seconds: float) -> None:
        """Set features between two pictures; called by another thread.

        Raises:
            MachineError: the camera does not take one, or they were not set within so long.
            CameraLostError: the camera does not answer.
        """
        change = _Change(features)
        self._changes.put(change)
        if not change.done.wait(seconds):
            raise CameraLostError(
                f"the camera of {self._source} was not set in {seconds:g} s", "see its state"
            )
        if change.failure is not None:
            raise change.failure

    def _change(self, camera: IndustrialCamera) -> None:
        while not self._changes.empty():
            change = self._changes.get_nowait()
            try:
                camera.stop()  # many features can be set only then, and no older picture comes after it
                set_features(camera, change.features.items())
            except MachineError as e:
                change.failure = e
                if isinstance(e, CameraLostError):
                    raise
            finally:
                self._outlet.set_anew()
                change.done.set()
            camera.start()
            self._numbers.restart()

    # one turn of each kind of trigger

    def _free(self, camera: IndustrialCamera) -> None:
        self._sensor(camera)
        if time.monotonic() - self._heard > self._times.silence:
            raise CameraLostError(
                f"the camera {camera.found.shown} gave no picture for {self._times.silence:g} s",
                "check its cable, its trigger settings and the packet size that the network carries",
            )

    def _sensor(self, camera: IndustrialCamera) -> None:
        picture = self._fetch(camera, LOOK)
        if picture is None:
            return
        self._heard = time.monotonic()
        if picture.fault:
            self._outlet.amiss("incomplete", 1, picture.fault)
        else:
            self._outlet.put(TakenPicture(picture, time.time(), None))

    def _software(self, camera: IndustrialCamera) -> None:
        trigger = self._board.wait_for(self._source, LOOK)
        if self._drain(camera):
            return
        while self._fetch(camera, 0) is not None:  # also finds that the camera is gone
            self._outlet.amiss("stray", 1, "no trigger was open")
        if trigger is None:
            return
        camera.execute("TriggerSoftware")
        due, picture = time.monotonic() + self._times.picture, None
        while picture is None and self._waits(due):
            picture = self._fetch(camera, min(LOOK, self._times.picture))
        if picture is not None:
            self._serve(picture)
        elif self._board.withdrawn(self._source) == self._drained and not self._over.is_set():
            self._give_up(f"no picture within {self._times.picture:g} s of the software trigger")
            self._restart(camera)

    def _hardware(self, camera: IndustrialCamera) -> None:
        picture = self._fetch(camera, LOOK)
        if self._board.withdrawn(self._source) != self._drained:
            if picture is not None:
                self._outlet.amiss("stray", 1, "its trigger was withdrawn")
            self._drain(camera)
        elif picture is not None:
            self._board.wait_for(self._source, self._times.ahead)
            self._serve(picture)

    # pictures and triggers

    def _waits(self, due: float) -> bool:
        withdrawn = self._board.withdrawn(self._source) != self._drained
        return time.monotonic() < due and not withdrawn and not self._over.is_set()

    def _fetch(self, camera: IndustrialCamera, seconds: float) -> CameraPicture | None:
        picture = camera.fetch(seconds)
        if picture is not None and (lost := self._numbers.missing_before(picture.number)):
            self._outlet.amiss("lost", lost, "their numbers are missing")
        return picture

    def _serve(self, picture: CameraPicture) -> None:
        """Give a picture to the trigger that is open; it has none where that was withdrawn meanwhile."""
        trigger = self._board.claim(self._source, drained=self._drained)
        if trigger is None:
            self._outlet.amiss("stray", 1, "no trigger was open")
        elif picture.fault:
            self._outlet.amiss("incomplete", 1, picture.fault)
            self._board.failed(trigger, f"the picture is incomplete: {picture.fault}")
        else:
            self._outlet.put(TakenPicture(picture, time.time(), trigger))

    def _give_up(self, why: str) -> None:
        trigger = self._board.claim(self._source, drained=self._drained)
        if trigger is not None:
            self._outlet.amiss("missed", 1, why)
            self._board.failed(trigger, why)

    def _drain(self, camera: IndustrialCamera) -> bool:
        """Throw away what may come for triggers that were withdrawn; whether there were any."""
        withdrawn = self._board.withdrawn(self._source)
        if withdrawn == self._drained:
            return False
        self._outlet.amiss("missed", withdrawn - self._drained, "their triggers were withdrawn")
        self._restart(camera)
        self._drained = withdrawn
        return True

    def _restart(self, camera: IndustrialCamera) -> None:
        camera.stop()
        camera.start()
        self._numbers.restart()
