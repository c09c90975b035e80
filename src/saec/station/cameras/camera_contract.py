"""What every back end of an industrial camera must be: found, opened, set, started, fetched from, closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from saec.station.cameras.pixel_formats import PixelBytes

FeatureValue = bool | int | float | str
"""The value of a camera's feature; an enumeration's is the name of its entry."""

FeatureKind = Literal["integer", "float", "boolean", "enumeration", "text", "command", "other"]

BackendName = Literal["genicam", "aravis"]


class FoundCamera(msgspec.Struct, frozen=True, kw_only=True):
    """A camera that answers.

    Attributes:
        backend: who found it.
        id: the back end's own name for it, unique there.
        vendor: its maker.
        model: its type.
        serial: its serial number, "" where the back end does not tell.
        user_name: the name that its user gave it, "" for none.
        address: its address in the network, "" for another bus.
        transport: such as "GigEVision" or "USB3Vision".
        producer: the GenTL producer that found it, "" for Aravis.
    """

    backend: BackendName
    id: str
    vendor: str = ""
    model: str = ""
    serial: str = ""
    user_name: str = ""
    address: str = ""
    transport: str = ""
    producer: str = ""

    def is_named(self, name: str) -> bool:
        """Whether ``name`` is its id, its serial number, its user's name for it, or its address."""
        return name in (self.id, self.serial, self.user_name, self.address)

    @property
    def shown(self) -> str:
        """Maker, type and serial number, for people."""
        return " ".join(filter(None, (self.vendor, self.model, self.serial))) or self.id


class CameraFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature of a camera as it is now; other features may change its limits.

    Attributes:
        name: GenICam's, such as "ExposureTime".
        kind: what its value is.
        readable: it can be read now.
        writable: it can be set, or executed, now.
        value: what it is now; None for a command, or where it cannot be read.
        low: least value of an integer or float; None where it has none.
        high: greatest value, likewise.
        step: distance of an integer's values, from ``low`` on.
        entries: names of an enumeration's entries that can be set now.
        unit: such as "us", "" where the camera tells none.
    """

    name: str
    kind: FeatureKind
    readable: bool
    writable: bool
    value: FeatureValue | None = None
    low: float | None = None
    high: float | None = None
    step: int = 1
    entries: tuple[str, ...] = ()
    unit: str = ""


class CameraPicture(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera delivered.

    Attributes:
        pixels: the picture; None where it is incomplete.
        number: the camera's number of it; None where it gives none.
        camera_time: when it was exposed, seconds of the camera's clock; None where it gives none.
        fault: why it is incomplete, "" where it is whole.
    """

    pixels: PixelBytes | None
    number: int | None = None
    camera_time: float | None = None
    fault: str = ""


class IndustrialCamera(Protocol):
    """An opened camera. One thread at a time uses it.

    Every method raises ``CameraLostError`` where the camera no longer answers.
    """

    found: FoundCamera

    def feature(self, name: str) -> CameraFeature | None:
        """A feature by its name; None where the camera has none of it."""
        ...

    def feature_names(self) -> Sequence[str]:
        """The names of all features, sorted."""
        ...

    def set_feature(self, name: str, value: FeatureValue) -> None:
        """Set a feature that was found writable.

        Raises:
            MachineError: the camera refuses.
        """
        ...

    def execute(self, name: str) -> None:
        """Execute a command such as "TriggerSoftware".

        Raises:
            MachineError: the camera refuses.
        """
        ...

    def start(self) -> None:
        """Begin to deliver pictures, numbered anew where the camera does so.

        Raises:
            MachineError: the camera refuses.
        """
        ...

    def stop(self) -> None:
        """Deliver no more, and throw away what was not fetched."""
        ...

    def fetch(self, seconds: float) -> CameraPicture | None:
        """The next picture, whole or not; None where none came within so long."""
        ...

    def close(self) -> None:
        """Let go of the camera; raises nothing."""
        ...
