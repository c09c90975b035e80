"""Aravis, the C library for GigE Vision and USB3 Vision cameras, as it is called from Python.

Its functions are called by ctypes: Debian's own Python binding works in the system's Python alone. Only what
the camera needs is declared. See "Aravis 0.8 reference manual".
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64
from ctypes import c_void_p as pointer
from functools import cache
from typing import Any

from saec.errors import CameraLostError, MachineError

_NAMES = ("libaravis-0.8.so.0", "libaravis-0.8.0.dylib")

_LOST = frozenset({2, 4, 5, 6, 10})
"""ArvDeviceError: not connected, transfer error, timeout, not found, not controller."""


class GError(ctypes.Structure):
    """GLib's error."""

    _fields_ = [("domain", c_uint32), ("code", c_int), ("message", c_char_p)]


_ERROR = POINTER(POINTER(GError))

# Result, and arguments. Where the last is _ERROR, `call` gives it.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "arv_update_device_list": (None,),
    "arv_get_n_devices": (c_uint,),
    **{
        f"arv_get_device_{what}": (c_char_p, c_uint)
        for what in ("id", "vendor", "model", "serial_nbr", "address", "protocol")
    },
    "arv_camera_new": (pointer, c_char_p, _ERROR),
    "arv_camera_get_device": (pointer, pointer),
    "arv_camera_is_gv_device": (c_int, pointer),
    "arv_camera_get_payload": (c_uint, pointer, _ERROR),
    "arv_camera_create_stream": (pointer, pointer, pointer, pointer, _ERROR),
    "arv_camera_start_acquisition": (None, pointer, _ERROR),
    "arv_camera_stop_acquisition": (None, pointer, _ERROR),
    "arv_gv_device_is_controller": (c_int, pointer),
    "arv_device_error_quark": (c_uint32,),
    "arv_device_get_feature": (pointer, pointer, c_char_p),
    "arv_device_execute_command": (None, pointer, c_char_p, _ERROR),
    "arv_device_get_integer_feature_value": (c_int64, pointer, c_char_p, _ERROR),
    "arv_device_get_float_feature_value": (c_double, pointer, c_char_p, _ERROR),
    "arv_device_get_boolean_feature_value": (c_int, pointer, c_char_p, _ERROR),
    "arv_device_get_string_feature_value": (c_char_p, pointer, c_char_p, _ERROR),
    "arv_device_set_integer_feature_value": (None, pointer, c_char_p, c_int64, _ERROR),
    "arv_device_set_float_feature_value": (None, pointer, c_char_p, c_double, _ERROR),
    "arv_device_set_boolean_feature_value": (None, pointer, c_char_p, c_int, _ERROR),
    "arv_device_set_string_feature_value": (None, pointer, c_char_p, c_char_p, _ERROR),
    "arv_device_get_integer_feature_increment": (c_int64, pointer, c_char_p, _ERROR),
    "arv_device_get_integer_feature_bounds": (
        *(None, pointer, c_char_p),
        *(POINTER(c_int64), POINTER(c_int64), _ERROR),
    ),
    "arv_device_get_float_feature_bounds": (
        *(None, pointer, c_char_p),
        *(POINTER(c_double), POINTER(c_double), _ERROR),
    ),
    "arv_device_dup_available_enumeration_feature_values_as_strings": (
        *(pointer, pointer, c_char_p),
        *(POINTER(c_uint), _ERROR),
    ),
    "arv_gc_feature_node_is_available": (c_int, pointer, _ERROR),
    "arv_gc_feature_node_is_implemented": (c_int, pointer, _ERROR),
    "arv_gc_feature_node_is_locked": (c_int, pointer, _ERROR),
    "arv_gc_feature_node_get_actual_access_mode": (c_int, pointer),
    "arv_gc_category_get_features": (pointer, pointer),
    **{
        f"arv_gc_{kind}_get_type": (c_size_t,)
        for kind in ("integer", "float", "boolean", "enumeration", "string", "command", "category")
    },
    "arv_gc_integer_get_unit": (c_char_p, pointer),
    "arv_gc_float_get_unit": (c_char_p, pointer),
    "arv_stream_push_buffer": (None, pointer, pointer),
    "arv_stream_timeout_pop_buffer": (pointer, pointer, c_uint64),
    "arv_buffer_new_allocate": (pointer, c_size_t),
    "arv_buffer_get_status": (c_int, pointer),
    "arv_buffer_get_data": (pointer, pointer, POINTER(c_size_t)),
    "arv_buffer_get_frame_id": (c_uint64, pointer),
    "arv_buffer_get_timestamp": (c_uint64, pointer),
    "arv_buffer_get_image_width": (c_int, pointer),
    "arv_buffer_get_image_height": (c_int, pointer),
    "arv_buffer_get_image_pixel_format": (c_uint32, pointer),
    "arv_buffer_get_image_padding": (None, pointer, POINTER(c_int), POINTER(c_int)),
    "g_type_check_instance_is_a": (c_int, pointer, c_size_t),
    "g_signal_connect_data": (
        *(ctypes.c_ulong, pointer, c_char_p, pointer),
        *(pointer, pointer, c_int),
    ),
    "g_signal_handler_disconnect": (None, pointer, ctypes.c_ulong),
    "g_object_unref": (None, pointer),
    "g_free": (None, pointer),
    "g_error_free": (None, pointer),
}


class AravisLibrary:
    """The loaded library.

    Raises:
        MachineError: it is not installed.
    """

    def __init__(self) -> None:
        library = _load()
        self._functions: dict[str, Any] = {}
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = library[name]  # GLib's are found among those that it needs
            function.restype, function.argtypes = result, arguments
            self._functions[name] = function

    def plain(self, name: str, *arguments: Any) -> Any:
        """Call a function that has no error."""
        return self._functions[name](*arguments)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function whose last argument is an error.

        Raises:
            CameraLostError: the camera does not answer.
            MachineError: it refuses.
        """
        error = POINTER(GError)()
        result = self._functions[name](*arguments, byref(error))
        if error:
            domain, code = error.contents.domain, error.contents.code
            message = (error.contents.message or b"").decode(errors="replace")
            self.plain("g_error_free", ctypes.cast(error, pointer))
            lost = domain == self.plain("arv_device_error_quark") and code in _LOST
            if lost:
                raise CameraLostError(f"the camera does not answer: {message}", "check cable and power")
            raise MachineError(message, "see the camera's manual")
        return result

    def text(self, name: str, *arguments: Any) -> str:
        """Call a function that gives a text, or nothing."""
        found: bytes | None = self.plain(name, *arguments)
        return (found or b"").decode(errors="replace")


def _load() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise MachineError("Aravis is not installed", "apt install libaravis-0.8-0")


@cache
def aravis_library() -> AravisLibrary:
    """The library, loaded once.

    Raises:
        MachineError: it is not installed.
    """
    return AravisLibrary()
