"""A camera of any GenTL producer, through harvesters; used in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_contract import (
    CameraFeature,
    CameraPicture,
    FeatureKind,
    FeatureValue,
    FoundCamera,
)
from saec.station.cameras.pixel_formats import PixelBytes, pixel_format

_BUFFERS = 8
"""Pictures that may wait to be fetched."""

_LEAST = 0.001
"""Seconds of the shortest wait; harvesters takes 0 for ever."""

_ALIVE = 1.0
"""Seconds between two looks at whether a camera that sends nothing still answers."""

_KINDS: dict[str, FeatureKind] = {
    "IInteger": "integer",
    "IFloat": "float",
    "IBoolean": "boolean",
    "IEnumeration": "enumeration",
    "IString": "text",
    "ICommand": "command",
}

_WRITE_ONLY, _READ_ONLY, _BOTH = 2, 3, 4
"""GenApi's EAccessMode; below are "not implemented" and "not available"."""


class GenicamCamera:
    """An opened camera.

    Args:
        found: the camera.
        acquirer: harvesters' ImageAcquirer of it.
    """

    def __init__(self, found: FoundCamera, acquirer: Any) -> None:
        from harvesters.core import Callback

        self.found = found
        self._acquirer: Any = acquirer
        self._nodes: Any = self._acquirer.remote_device.node_map
        self._acquirer.num_buffers = max(_BUFFERS, self._acquirer.min_num_buffers)
        self._incomplete = 0
        self._heard = time.monotonic()
        camera = self

        class CountIncomplete(Callback):  # type: ignore[misc]
            def emit(self, context: object = None) -> None:
                camera._incomplete += 1

        self._acquirer.add_callback(self._acquirer.Events.INCOMPLETE_BUFFER, CountIncomplete())

    # features

    def feature(self, name: str) -> CameraFeature | None:
        node = self._node(name)
        if node is None:
            return None
        with self._answers():
            kind = _KINDS.get(type(node).__name__, "other")
            mode = node.get_access_mode()
            readable = mode in (_READ_ONLY, _BOTH) and kind != "command"
            plain = CameraFeature(
                name=name, kind=kind, readable=readable, writable=mode in (_WRITE_ONLY, _BOTH)
            )
            return _with_limits(plain, node) if readable else plain

    def feature_names(self) -> Sequence[str]:
        with self._answers():
            return sorted(one.node.name for one in self._nodes.nodes if type(one).__name__ in _KINDS)

    def set_feature(self, name: str, value: FeatureValue) -> None:
        with self._answers():
            self._nodes.get_node(name).value = value

    def execute(self, name: str) -> None:
        with self._answers():
            self._nodes.get_node(name).execute()

    def _node(self, name: str) -> Any:
        return self._nodes.get_node(name) if self._nodes.has_node(name) else None

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """GenICam's errors as ours: what the camera refuses, and that it is gone."""
        from genicam import genapi, gentl

        try:
            yield
        except (
            genapi.AccessException,
            genapi.OutOfRangeException,
            genapi.InvalidArgumentException,
            genapi.LogicalErrorException,
            genapi.PropertyException,
        ) as e:
            raise MachineError(str(e).split(" : ")[0], "see the camera's manual") from e
        except (genapi.GenericException, gentl.GenericException) as e:
            raise CameraLostError(
                f"the camera {self.found.shown} no longer answers: {str(e).split(' : ')[0]}",
                "check its cable, power and address",
            ) from e

    # pictures

    def start(self) -> None:
        with self._answers():
            self._acquirer.start()
        self._heard = time.monotonic()

    def stop(self) -> None:
        """harvesters revokes every buffer, filled or not."""
        with self._answers():
            self._acquirer.stop()

    def fetch(self, seconds: float) -> CameraPicture | None:
        incomplete = self._incomplete
        # One wait of the producer's, instead of many of a millisecond.
        self._acquirer.timeout_period_on_update_event_data_call = max(1, int(1e3 * seconds))
        with self._answers():
            buffer = self._acquirer.try_fetch(timeout=max(_LEAST, seconds), is_raw=True)
        if buffer is not None:
            self._heard = time.monotonic()
            try:
                with self._answers():
                    return _picture(buffer)
            finally:
                buffer.parent.queue_buffer(buffer)
        if self._incomplete != incomplete:
            return CameraPicture(pixels=None, fault="packets are missing")
        if time.monotonic() - self._heard > _ALIVE:
            self._look()
        return None

    def _look(self) -> None:
        """Read a register of the camera itself, not of the cache."""
        node = self._node("PayloadSize") or self._node("Width")
        if node is not None:
            with self._answers():
                node.get_value(False, True)
        self._heard = time.monotonic()

    def close(self) -> None:
        from genicam import genapi, gentl

        if self._acquirer is not None:
            with suppress(genapi.GenericException, gentl.GenericException):  # it is gone already
                self._acquirer.destroy()
            self._acquirer = None


def _with_limits(plain: CameraFeature, node: Any) -> CameraFeature:
    more: dict[str, Any] = {}
    if plain.kind in ("integer", "float"):
        more |= {"low": node.min, "high": node.max, "unit": node.unit}
        if plain.kind == "integer":
            more["step"] = max(1, node.inc)
    elif plain.kind == "enumeration":
        settable = (_WRITE_ONLY, _READ_ONLY, _BOTH)
        more["entries"] = tuple(one.symbolic for one in node.entries if one.get_access_mode() in settable)
    if plain.kind != "other":
        more["value"] = node.value
    return CameraFeature(
        name=plain.name, kind=plain.kind, readable=plain.readable, writable=plain.writable, **more
    )


def _picture(buffer: Any) -> CameraPicture:
    from genicam import gentl

    number = time_ns = None
    with suppress(gentl.GenericException):  # not every producer tells them
        number = buffer.frame_id
    with suppress(gentl.GenericException):
        time_ns = buffer.timestamp_ns
    if not buffer.contains_image():
        return CameraPicture(pixels=None, number=number, fault="its payload is no picture")
    padding = offset = 0
    with suppress(gentl.GenericException):
        padding = buffer.padding_x
    with suppress(gentl.GenericException):
        offset = buffer.image_offset
    height, width, form = buffer.height, buffer.width, pixel_format(buffer.pixel_format)
    # A copy: once the buffer is given back the producer fills these bytes anew; bytes[0:] is no copy.
    end = offset + form.size(height, width) + max(0, height - 1) * padding
    pixels = PixelBytes(bytes(memoryview(buffer.raw_buffer)[offset:end]), height, width, form, padding)
    return CameraPicture(pixels=pixels, number=number, camera_time=None if not time_ns else time_ns / 1e9)
