"""Cameras that stand for real ones: what a test tells them is what they send."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Any

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_contract import (
    CameraFeature,
    CameraPicture,
    FeatureKind,
    FeatureValue,
    FoundCamera,
)
from saec.station.cameras.pixel_formats import PIXEL_FORMATS, PixelBytes

FOUND = FoundCamera(
    backend="aravis", id="Maker-Eye-7", vendor="Maker", model="Eye", serial="7", address="10.0.0.7"
)


def _feature(name: str, kind: FeatureKind, **more: Any) -> CameraFeature:
    return CameraFeature(**{"name": name, "kind": kind, "readable": True, "writable": True, **more})


FEATURES = (
    _feature("TriggerMode", "enumeration", entries=("Off", "On")),
    _feature("TriggerSource", "enumeration", entries=("Line1", "Software")),
    _feature("TriggerSoftware", "command", readable=False),
    _feature("ExposureTime", "float", value=9.0, low=5, high=1e6, unit="us"),
    _feature("ExposureAuto", "enumeration", entries=("Off", "Continuous")),
    _feature("GainRaw", "integer", value=1, low=0, high=30),
    _feature("Width", "integer", value=640, low=16, high=640, step=16),
    _feature("Height", "integer", value=480, low=16, high=480),
    _feature("OffsetX", "integer", value=0, low=0, high=624),
    _feature("PayloadSize", "integer", writable=False, value=307200),
    _feature("ReverseX", "boolean", value=False),
    _feature("DeviceUserID", "text", value=""),
    _feature("PixelFormat", "enumeration", entries=("Mono8", "Mono12p")),
)


def picture(number: int | None = None, fault: str = "", format_name: str = "Mono8") -> CameraPicture:
    """A picture of 2 x 4, all of it the number."""
    form = PIXEL_FORMATS[format_name]
    data = bytes([(number or 0) % 256]) * form.size(2, 4)
    pixels = None if fault else PixelBytes(data, 2, 4, form)
    return CameraPicture(pixels=pixels, number=number, camera_time=(number or 0) / 8, fault=fault)


class FakeCamera:
    """Sends what is put into ``coming``: a picture, or an error that it raises.

    Attributes:
        done: what was set and executed, in order.
        refuses: the feature that it refuses to set.
    """

    def __init__(self, found: FoundCamera = FOUND, features: Sequence[CameraFeature] = FEATURES) -> None:
        self.found, self.features = found, {one.name: one for one in features}
        self.coming: queue.SimpleQueue[CameraPicture | Exception] = queue.SimpleQueue()
        self.done: list[tuple[str, FeatureValue]] = []
        self.refuses = ""
        self.on_fire = 0
        self.closed = 0
        self.restarts = -1

    def feature(self, name: str) -> CameraFeature | None:
        return self.features.get(name)

    def feature_names(self) -> Sequence[str]:
        return sorted(self.features)

    def set_feature(self, name: str, value: FeatureValue) -> None:
        if name == self.refuses:
            raise MachineError("it is locked", "unlock it")
        self.done.append((name, value))

    def execute(self, name: str) -> None:
        self.done.append((name, True))
        self.on_fire += 1
        self.coming.put(picture(self.on_fire))

    def start(self) -> None:
        self.restarts += 1

    def stop(self) -> None:
        while not self.coming.empty():
            self.coming.get_nowait()

    def fetch(self, seconds: float) -> CameraPicture | None:
        try:
            found = self.coming.get(timeout=seconds) if seconds else self.coming.get_nowait()
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.closed += 1


def lost() -> CameraLostError:
    return CameraLostError("the camera Eye no longer answers", "check its cable")
