"""An industrial camera as a source: GigE Vision or USB3 Vision, by GenICam or Aravis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from saec.station.cameras.camera_backends import named_camera, open_camera
from saec.station.cameras.camera_contract import BackendName, FeatureValue, IndustrialCamera
from saec.station.cameras.camera_driver import CameraTimes
from saec.station.cameras.camera_settings import CameraSetup, Region, TriggerMode
from saec.station.section_types import FieldFault, Seconds
from saec.station.sources.frame_source import SourceHooks, SourceSettings
from saec.station.sources.industrial_reader import IndustrialReader, StoredForm

_Rectangle = Annotated[tuple[int, ...], msgspec.Meta(min_length=4, max_length=4)]


class IndustrialSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="industrial"):
    """A [[source]] of kind "industrial": a GigE Vision or USB3 Vision camera (docs/cameras.md).

    Attributes:
        backend: "genicam": the maker's GenTL producer (extra `genicam`). "aravis": Debian's libaravis.
        camera: Its serial number, id, user's name or address. "" is the only camera that answers.
        producer: The maker's .cti file, for "genicam". Default: those in the folders of
            `GENICAM_GENTL64_PATH`.
        trigger: "off": the camera runs by itself. "software": the station fires it for each trigger of a
            PLC. "hardware": a wire fires it for each trigger of a PLC. "sensor": a wire fires it, and no PLC
            tells.
        trigger_line: The camera's input of that wire, as its feature TriggerSource calls it.
        exposure_us: Exposure time in microseconds. Default: the camera's.
        gain: Gain in the camera's unit, mostly dB. Default: the camera's.
        pixel_format: GenICam's name, such as "Mono8", "Mono12p" or "BayerRG8". Default: the camera's.
        roi: The region that is read: x, y, width and height in pixels. Default: the camera's.
        packet_size: Bytes of a GigE Vision packet. Default: the camera's.
        features: Any other features by name, set in the order in which they stand here.
        stored: Form of the frames: "png", or "pnm", which is larger and much faster to write and read.
        least_s: Least seconds between two frames with trigger "off". Pictures between them are left out.
        picture_s: Seconds from a software trigger to its picture. Then the trigger has failed.
        silence_s: Seconds without a picture, with trigger "off", before the camera is opened again.
        ahead_s: Seconds that a picture of a wire's trigger may come before the PLC's trigger is known.
        driver_s: Seconds that the camera's driver may take for one step before it counts as hanging.
    """

    backend: BackendName
    camera: str = ""
    producer: Path | None = None
    trigger: TriggerMode = "off"
    trigger_line: str = "Line1"
    exposure_us: Annotated[float, msgspec.Meta(gt=0)] | None = None
    gain: float | None = None
    pixel_format: str = ""
    roi: _Rectangle | None = None
    packet_size: Annotated[int, msgspec.Meta(ge=220, le=65535)] | None = None
    features: dict[str, FeatureValue] = msgspec.field(default_factory=dict)
    stored: StoredForm = "png"
    least_s: Seconds = 0.5
    picture_s: Seconds = 1.0
    silence_s: Seconds = 5.0
    ahead_s: Seconds = 0.02
    driver_s: Seconds = 30.0

    sets_features: ClassVar[bool] = True

    @property
    def setup(self) -> CameraSetup:
        """What the camera is set to."""
        region = None if self.roi is None else Region(*self.roi)
        return CameraSetup(
            backend=self.backend,
            camera=self.camera,
            producer=self.producer,
            trigger=self.trigger,
            trigger_line=self.trigger_line,
            exposure_us=self.exposure_us,
            gain=self.gain,
            pixel_format=self.pixel_format,
            region=region,
            packet_size=self.packet_size,
            features=self.features,
        )

    def make_source(self, hooks: SourceHooks) -> IndustrialReader:
        times = CameraTimes(
            picture=self.picture_s,
            silence=self.silence_s,
            ahead=self.ahead_s,
            interval=self.least_s,
            step=self.driver_s,
        )
        return IndustrialReader(
            self.name, self.line, self.setup, times, hooks, opened_camera, stored=self.stored
        )

    def by_itself(self) -> str:
        return "" if self.trigger in ("software", "hardware") else f'has trigger "{self.trigger}"'

    def faults(self) -> Iterator[FieldFault]:
        if self.backend == "aravis" and self.producer is not None:
            yield "producer", "aravis uses no GenTL producer", 'remove producer, or set backend = "genicam"'
        if self.roi is not None and (min(self.roi) < 0 or min(self.roi[2:]) < 1):
            yield "roi", f"{list(self.roi)} is no region", "give x, y, width and height in pixels"


def opened_camera(setup: CameraSetup) -> IndustrialCamera:
    """Find and open the camera of the settings.

    Raises:
        CameraLostError: it does not answer, or another program holds it.
        MachineError: several are meant, or the back end is not there.
        ExtraError: ``saec[genicam]`` is not installed.
    """
    return open_camera(named_camera(setup))
