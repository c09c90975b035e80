"""USB cameras that Linux knows (V4L2), for the list of cameras."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DEVICES = Path("/sys/class/video4linux")


class UsbCamera(NamedTuple):
    """A video device.

    Attributes:
        address: the ``address`` of a [[source]] of kind "camera", such as "0".
        name: what its driver calls it.
    """

    address: str
    name: str


def find_usb_cameras(devices: Path = DEVICES) -> list[UsbCamera]:
    """The first video device of each USB camera; the others carry its metadata."""
    found = []
    for device in sorted(devices.glob("video*"), key=lambda path: int(path.name.removeprefix("video"))):
        try:
            first = (device / "index").read_text("ascii").strip() == "0"
            name = (device / "name").read_text("utf-8", errors="replace").strip()
        except OSError:  # unplugged meanwhile
            continue
        if first:
            found.append(UsbCamera(device.name.removeprefix("video"), name))
    return found
