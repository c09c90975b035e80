"""One picture of a camera, as the settings set it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from numpy.typing import NDArray

from saec.errors import MachineError
from saec.station.cameras.camera_backends import named_camera, open_camera
from saec.station.cameras.camera_contract import CameraPicture, FoundCamera, IndustrialCamera
from saec.station.cameras.camera_settings import CameraSetup, set_up_camera
from saec.station.cameras.pixel_formats import PixelFormat, decoded_pixels

_LOOK = 0.1


class Snapshot(NamedTuple):
    """A picture and where it came from.

    Attributes:
        found: the camera.
        pixels: H x W grey or H x W x 3 RGB, uint8 or uint16.
        format: the pixel format.
        incomplete: pictures before it that were incomplete.
    """

    found: FoundCamera
    pixels: NDArray[Any]
    format: PixelFormat
    incomplete: int


def take_snapshot(setup: CameraSetup, seconds: float) -> Snapshot:
    """Open the camera, set it, take one whole picture, and let go of it.

    Args:
        setup: what the camera is set to. A software trigger is fired; a wire's is waited for.
        seconds: how long to wait for the picture.

    Raises:
        CameraLostError: the camera does not answer, or another program holds it.
        MachineError: it refuses a setting, or no whole picture came.
    """
    camera = open_camera(named_camera(setup))
    try:
        set_up_camera(camera, setup)
        camera.start()
        if setup.trigger == "software":
            camera.execute("TriggerSoftware")
        picture, incomplete = _whole(camera, seconds)
        if picture is None or picture.pixels is None:
            raise _none_came(setup, seconds, incomplete)
        return Snapshot(camera.found, decoded_pixels(picture.pixels), picture.pixels.format, incomplete)
    finally:
        camera.close()


def _whole(camera: IndustrialCamera, seconds: float) -> tuple[CameraPicture | None, int]:
    until, incomplete = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        picture = camera.fetch(_LOOK)
        if picture is not None and not picture.fault:
            return picture, incomplete
        incomplete += picture is not None
    return None, incomplete


def _none_came(setup: CameraSetup, seconds: float, incomplete: int) -> MachineError:
    if incomplete:
        return MachineError(
            f"{incomplete} pictures came, each incomplete",
            "set packet_size to what the network carries (1500 without jumbo frames), and check the cable",
        )
    if setup.trigger in ("hardware", "sensor"):
        return MachineError(
            f"no picture in {seconds:g} s: no trigger came by {setup.trigger_line}",
            "trigger the camera meanwhile, or take a picture without it by --untriggered",
        )
    return MachineError(
        f"no picture in {seconds:g} s", "set packet_size to what the network carries, or restart the camera"
    )
