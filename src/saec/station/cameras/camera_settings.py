"""What the settings ask of a camera, as features in the order in which a camera takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from saec.errors import MachineError
from saec.station.cameras.camera_contract import BackendName, FeatureValue, IndustrialCamera
from saec.station.cameras.feature_checks import WantedFeature, has_writable, set_features

TriggerMode = Literal["off", "software", "hardware", "sensor"]
"""Who says when a picture is taken: the camera itself; the station; a wire, for a PLC's trigger that the
station knows; a wire alone."""

_EXPOSURES = ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw")
_GAINS = ("Gain", "GainAbs", "GainRaw")
"""Names by age of the standard (SFNC)."""


class Region(msgspec.Struct, frozen=True):
    """The part of the sensor that is read, pixels."""

    x: int
    y: int
    width: int
    height: int


class CameraSetup(msgspec.Struct, frozen=True, kw_only=True):
    """Which camera, by whom, and what it is set to.

    Attributes:
        backend: who talks to it.
        camera: its id, serial number, user's name or address; "" for the only one.
        producer: file of a GenTL producer (.cti); None takes those of ``GENICAM_GENTL64_PATH``.
        trigger: who says when a picture is taken.
        trigger_line: input of the camera that a wire's trigger comes in by.
        exposure_us: microseconds; None leaves the camera's.
        gain: the amplification, in the camera's unit; None leaves the camera's.
        pixel_format: GenICam's name; "" leaves the camera's.
        region: None leaves the camera's.
        packet_size: bytes of a GigE Vision packet; None lets the back end choose.
        features: any other features, set in this order before exposure and gain.
    """

    backend: BackendName
    camera: str = ""
    producer: Path | None = None
    trigger: TriggerMode = "off"
    trigger_line: str = "Line1"
    exposure_us: float | None = None
    gain: float | None = None
    pixel_format: str = ""
    region: Region | None = None
    packet_size: int | None = None
    features: dict[str, FeatureValue] = {}

    @property
    def on_trigger(self) -> bool:
        """Whether each picture has a trigger outside the camera."""
        return self.trigger != "off"


def set_up_camera(camera: IndustrialCamera, setup: CameraSetup) -> None:
    """Set a camera that is not started, feature by feature.

    Raises:
        MachineError: a feature is unknown, out of range or not writable, as ``set_features`` says.
        CameraLostError: the camera does not answer.
    """
    set_features(camera, _format_and_region(camera, setup))
    if setup.packet_size is not None:
        set_features(camera, [("GevSCPSPacketSize", setup.packet_size)])
    set_features(camera, setup.features.items())
    if setup.exposure_us is not None:
        _set_aged(camera, _EXPOSURES, "ExposureAuto", setup.exposure_us)
    if setup.gain is not None:
        _set_aged(camera, _GAINS, "GainAuto", setup.gain)
    _set_trigger(camera, setup)


def _format_and_region(camera: IndustrialCamera, setup: CameraSetup) -> Iterator[WantedFeature]:
    if setup.pixel_format:
        yield "PixelFormat", setup.pixel_format
    if (region := setup.region) is None:
        return
    offsets = {"OffsetX": region.x, "OffsetY": region.y}
    wanted = [name for name, value in offsets.items() if value or has_writable(camera, name)]
    yield from ((name, 0) for name in wanted)  # first, since they limit the size
    yield "Width", region.width
    yield "Height", region.height
    yield from ((name, offsets[name]) for name in wanted)


def _set_aged(camera: IndustrialCamera, names: tuple[str, ...], auto: str, value: float) -> None:
    """Set the newest of several names that a camera has, with its automatic off."""
    if has_writable(camera, auto):
        set_features(camera, [(auto, "Off")])
    known = [name for name in names if camera.feature(name) is not None]
    name = known[0] if known else names[0]
    feature = camera.feature(name)
    whole = feature is not None and feature.kind == "integer"
    set_features(camera, [(name, round(value) if whole else value)])


def _set_trigger(camera: IndustrialCamera, setup: CameraSetup) -> None:
    if camera.feature("TriggerMode") is None:
        if setup.on_trigger:
            raise MachineError(
                f"the camera {camera.found.shown} takes no trigger: it has no feature TriggerMode",
                'set trigger = "off", or use another camera',
            )
        return
    if has_writable(camera, "TriggerSelector"):
        set_features(camera, [("TriggerSelector", "FrameStart")])
    if not setup.on_trigger:
        set_features(camera, [("TriggerMode", "Off")])
        return
    if has_writable(camera, "AcquisitionMode"):
        set_features(camera, [("AcquisitionMode", "Continuous")])
    source = "Software" if setup.trigger == "software" else setup.trigger_line
    set_features(camera, [("TriggerMode", "On"), ("TriggerSource", source)])
