"""GigE Vision and USB3 Vision cameras through Aravis."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from ctypes import byref, c_double, c_int, c_int64, c_size_t, c_uint
from typing import Any

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.aravis_library import AravisLibrary, aravis_library
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

_FAULTS = {
    1: "it was cleared",
    2: "packets did not come in time",
    3: "packets are missing",
    4: "a packet has a wrong number",
    5: "it is larger than was said",
    7: "it was aborted",
    8: "its payload is no picture",
}
"""ArvBufferStatus, but for success (0)."""

_KINDS: tuple[tuple[str, FeatureKind], ...] = (
    ("enumeration", "enumeration"),
    ("command", "command"),
    ("boolean", "boolean"),
    ("integer", "integer"),
    ("float", "float"),
    ("string", "text"),
)
"""Aravis' interfaces in the order in which they are asked: an enumeration is an integer, too."""

_READABLE, _WRITABLE = (0, 2), (1, 2)
"""Access modes: read only, write only, both."""

_list_lock = threading.Lock()
"""Aravis has one list of devices for the process."""

_SIGNAL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def find_aravis_cameras() -> list[FoundCamera]:
    """Every camera that answers within about a second.

    Raises:
        MachineError: Aravis is not installed.
    """
    library, found = aravis_library(), []
    with _list_lock:
        library.plain("arv_update_device_list")
        for i in range(library.plain("arv_get_n_devices")):
            told = {
                what: library.text(f"arv_get_device_{what}", i)
                for what in ("id", "vendor", "model", "serial_nbr", "address", "protocol")
            }
            found.append(
                FoundCamera(
                    backend="aravis",
                    id=told["id"],
                    vendor=told["vendor"],
                    model=told["model"],
                    serial=told["serial_nbr"],
                    address=told["address"] if told["protocol"] == "GigEVision" else "",
                    transport=told["protocol"],
                )
            )
    return found


class _LinkedNames(ctypes.Structure):
    """GLib's singly linked list, here of names."""


_LinkedNames._fields_ = [("data", ctypes.c_char_p), ("next", ctypes.POINTER(_LinkedNames))]


class AravisCamera:
    """An opened camera.

    Args:
        found: the camera, by ``find_aravis_cameras``.

    Raises:
        CameraLostError: it does not answer, or another program holds it.
    """

    def __init__(self, found: FoundCamera) -> None:
        self.found = found
        self._lib: AravisLibrary = aravis_library()
        self._stream: int | None = None
        self._lost = threading.Event()
        with _list_lock:
            self._camera = self._lib.call("arv_camera_new", found.id.encode())
        self._device = self._lib.plain("arv_camera_get_device", self._camera)
        if self._lib.plain("arv_camera_is_gv_device", self._camera) and not self._lib.plain(
            "arv_gv_device_is_controller", self._device
        ):
            self._lib.plain("g_object_unref", self._camera)
            raise CameraLostError(
                f"another program holds the camera {found.shown}", "close that program, or its other station"
            )
        # Kept, since C calls it; it is called in Aravis' thread of heartbeats.
        self._told_lost = _SIGNAL(lambda _device, _data: self._lost.set())
        self._signal = self._lib.plain(
            *("g_signal_connect_data", self._device, b"control-lost"),
            *(ctypes.cast(self._told_lost, ctypes.c_void_p), None, None, 0),
        )

    # features

    def feature(self, name: str) -> CameraFeature | None:
        node = self._node(name)
        if node is None:
            return None
        lib = self._lib
        kind = self._kind(node)
        mode = lib.plain("arv_gc_feature_node_get_actual_access_mode", node)
        there = all(lib.call(f"arv_gc_feature_node_is_{what}", node) for what in ("implemented", "available"))
        readable = there and mode in _READABLE and kind != "command"
        writable = there and mode in _WRITABLE and not lib.call("arv_gc_feature_node_is_locked", node)
        plain = CameraFeature(name=name, kind=kind, readable=readable, writable=writable)
        return self._with_limits(plain, node) if there else plain

    def feature_names(self) -> Sequence[str]:
        return sorted(set(self._names_below("Root")))

    def set_feature(self, name: str, value: FeatureValue) -> None:
        node = self._node(name)
        kind = "other" if node is None else self._kind(node)
        if kind in ("enumeration", "text"):
            self._device_call("set_string_feature_value", name, str(value).encode())
        elif kind == "boolean":
            self._device_call("set_boolean_feature_value", name, int(value))
        elif kind == "integer":
            self._device_call("set_integer_feature_value", name, int(value))
        elif kind == "float":
            self._device_call("set_float_feature_value", name, float(value))
        else:
            raise MachineError(f"the camera's feature {name} has no value that can be set", "remove it")

    def execute(self, name: str) -> None:
        self._device_call("execute_command", name)

    def _node(self, name: str) -> int | None:
        found: int | None = self._lib.plain("arv_device_get_feature", self._device, name.encode())
        return found

    def _kind(self, node: int) -> FeatureKind:
        for interface, kind in _KINDS:
            if self._is_a(node, interface):
                return kind
        return "other"

    def _is_a(self, node: int, interface: str) -> bool:
        of_type = self._lib.plain(f"arv_gc_{interface}_get_type")
        return bool(self._lib.plain("g_type_check_instance_is_a", node, of_type))

    def _with_limits(self, plain: CameraFeature, node: int) -> CameraFeature:
        """With value, limits and entries, as far as the camera tells them."""
        more: dict[str, Any] = {}
        if plain.kind in ("integer", "float"):
            more |= self._limits(plain, node)
        elif plain.kind == "enumeration":
            more["entries"] = self._entries(plain.name)
        if plain.readable and plain.kind not in ("command", "other"):
            more["value"] = self._value(plain)
        return CameraFeature(
            name=plain.name, kind=plain.kind, readable=plain.readable, writable=plain.writable, **more
        )

    def _value(self, plain: CameraFeature) -> FeatureValue:
        if plain.kind in ("enumeration", "text"):
            told: bytes | None = self._device_call("get_string_feature_value", plain.name)
            return (told or b"").decode(errors="replace")
        value = self._device_call(f"get_{plain.kind}_feature_value", plain.name)
        return bool(value) if plain.kind == "boolean" else value

    def _limits(self, plain: CameraFeature, node: int) -> dict[str, Any]:
        number = c_int64 if plain.kind == "integer" else c_double
        low, high, step = number(), number(), 1
        try:
            self._device_call(f"get_{plain.kind}_feature_bounds", plain.name, byref(low), byref(high))
            if plain.kind == "integer":
                step = max(1, self._device_call("get_integer_feature_increment", plain.name))
        except CameraLostError:
            raise
        except MachineError:  # it has none
            return {}
        unit = self._lib.text(f"arv_gc_{plain.kind}_get_unit", node)
        return {"low": low.value, "high": high.value, "step": step, "unit": unit}

    def _entries(self, name: str) -> tuple[str, ...]:
        count = c_uint()
        listed = self._device_call("dup_available_enumeration_feature_values_as_strings", name, byref(count))
        if not listed:
            return ()
        texts = ctypes.cast(listed, ctypes.POINTER(ctypes.c_char_p))
        found = tuple((texts[i] or b"").decode(errors="replace") for i in range(count.value))
        self._lib.plain("g_free", listed)
        return found

    def _names_below(self, category: str) -> Iterator[str]:
        node = self._node(category)
        if node is None:
            return
        if not self._is_a(node, "category"):
            yield category
            return
        link = ctypes.cast(
            self._lib.plain("arv_gc_category_get_features", node), ctypes.POINTER(_LinkedNames)
        )
        while link:
            yield from self._names_below(link.contents.data.decode())
            link = link.contents.next

    def _device_call(self, name: str, *arguments: Any) -> Any:
        if self._lost.is_set():
            raise self._lost_error()
        feature, *rest = arguments
        try:
            return self._lib.call(f"arv_device_{name}", self._device, feature.encode(), *rest)
        except CameraLostError:
            self._lost.set()
            raise

    # pictures

    def start(self) -> None:
        """A new stream has a new port, so that no packet of an earlier picture reaches it."""
        size = self._lib.call("arv_camera_get_payload", self._camera)
        self._stream = self._lib.call("arv_camera_create_stream", self._camera, None, None)
        for _ in range(_BUFFERS):
            buffer = self._lib.plain("arv_buffer_new_allocate", size)
            self._lib.plain("arv_stream_push_buffer", self._stream, buffer)
        self._lib.call("arv_camera_start_acquisition", self._camera)

    def stop(self) -> None:
        if self._stream is None:
            return
        try:
            if not self._lost.is_set():  # otherwise it is tried for seconds
                self._lib.call("arv_camera_stop_acquisition", self._camera)
        finally:
            self._lib.plain("g_object_unref", self._stream)
            self._stream = None

    def fetch(self, seconds: float) -> CameraPicture | None:
        if self._stream is None:
            raise MachineError("the camera is not started", "start it before pictures are fetched")
        buffer = self._lib.plain("arv_stream_timeout_pop_buffer", self._stream, int(1e6 * seconds))
        if buffer is None:
            if self._lost.is_set():
                raise self._lost_error()
            return None
        try:
            return self._picture(buffer)
        finally:
            self._lib.plain("arv_stream_push_buffer", self._stream, buffer)

    def _picture(self, buffer: int) -> CameraPicture:
        lib = self._lib
        status = lib.plain("arv_buffer_get_status", buffer)
        number = lib.plain("arv_buffer_get_frame_id", buffer)
        if status != 0:
            fault = _FAULTS.get(status, f"status {status}")
            return CameraPicture(pixels=None, number=number, fault=fault)
        size, padding, rows = c_size_t(), c_int(), c_int()
        data = lib.plain("arv_buffer_get_data", buffer, byref(size))
        lib.plain("arv_buffer_get_image_padding", buffer, byref(padding), byref(rows))
        pixels = PixelBytes(
            ctypes.string_at(data, size.value),
            lib.plain("arv_buffer_get_image_height", buffer),
            lib.plain("arv_buffer_get_image_width", buffer),
            pixel_format(lib.plain("arv_buffer_get_image_pixel_format", buffer)),
            padding.value,
        )
        nanoseconds = lib.plain("arv_buffer_get_timestamp", buffer)
        time = nanoseconds / 1e9 if nanoseconds else None
        return CameraPicture(pixels=pixels, number=number, camera_time=time)

    def close(self) -> None:
        try:
            self.stop()
        except MachineError:
            pass  # it is gone already
        finally:
            if self._camera is not None:
                self._lib.plain("g_signal_handler_disconnect", self._device, self._signal)
                self._lib.plain("g_object_unref", self._camera)
                self._camera = None

    def _lost_error(self) -> CameraLostError:
        return CameraLostError(
            f"the camera {self.found.shown} no longer answers", "check its cable, power and address"
        )
