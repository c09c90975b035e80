"""The two back ends behind one contract: find cameras, and open one by name."""

from __future__ import annotations

from pathlib import Path

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.aravis_camera import AravisCamera, find_aravis_cameras
from saec.station.cameras.camera_contract import BackendName, FoundCamera, IndustrialCamera
from saec.station.cameras.camera_settings import CameraSetup
from saec.station.cameras.genicam.genicam_process import RemoteGenicamCamera, find_genicam_cameras

BACKENDS: tuple[BackendName, ...] = ("genicam", "aravis")
"""In the order in which they are asked."""


def find_cameras(backend: BackendName, producer: Path | None = None) -> list[FoundCamera]:
    """Every camera that answers.

    Raises:
        MachineError: the back end is not installed, or has no producer.
        ExtraError: ``saec[genicam]`` is not installed.
    """
    return find_genicam_cameras(producer) if backend == "genicam" else find_aravis_cameras()


def named_camera(setup: CameraSetup) -> FoundCamera:
    """The one camera that the settings mean.

    Raises:
        CameraLostError: it does not answer.
        MachineError: several do and none is named, or the back end is not there.
    """
    found = find_cameras(setup.backend, setup.producer)
    listed = ", ".join(f"{one.id} ({one.address})" if one.address else one.id for one in found) or "none"
    named = [one for one in found if not setup.camera or one.is_named(setup.camera)]
    if not named:
        which = setup.camera or f"any, by {setup.backend}"
        raise CameraLostError(
            f"the camera {which} does not answer; those that answer: {listed}",
            "check its cable, power, address and name; `saec station cameras` lists what answers",
        )
    if len(named) > 1:
        raise MachineError(
            f"{len(named)} cameras are meant: {', '.join(one.id for one in named)}",
            "set camera to the id or the serial number of one",
        )
    return named[0]


def open_camera(found: FoundCamera) -> IndustrialCamera:
    """Open a camera that was found.

    Raises:
        CameraLostError: it does not answer, or another program holds it.
    """
    return RemoteGenicamCamera(found) if found.backend == "genicam" else AravisCamera(found)
