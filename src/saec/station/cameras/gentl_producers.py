"""GenTL producers: the makers' drivers (.cti files) through which harvesters finds and opens cameras."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

from saec.errors import CameraLostError, ExtraError, MachineError
from saec.station.cameras.camera_contract import FoundCamera

_FOLDERS = "GENICAM_GENTL64_PATH"
"""Variable of the environment in which makers put the folders of their producers (GenTL standard)."""

_SEARCH_MS = 1000
"""Milliseconds within which cameras must answer."""


def gentl_producers(named: Path | None) -> list[Path]:
    """The producers to use: the named one, or those in the folders of ``GENICAM_GENTL64_PATH``.

    Raises:
        MachineError: there is none.
    """
    if named is not None:
        if not named.is_file():
            raise MachineError(
                f"there is no GenTL producer {named}", "give the .cti file of the camera's maker"
            )
        return [named.resolve()]
    folders = [
        Path(folder) for folder in os.environ.get("GENICAM_GENTL64_PATH", "").split(os.pathsep) if folder
    ]
    found = sorted({file.resolve() for folder in folders for file in folder.glob("*.cti")})
    if not found:
        raise MachineError(
            f"no GenTL producer: {_FOLDERS} names no folder with a .cti file",
            "install the maker's GenICam driver, or set producer to its .cti file",
        )
    return found


class GentlProducer:
    """One producer. A process opens it once, so all of its cameras share it.

    Args:
        path: the .cti file.

    Attributes:
        lock: held by whoever searches, opens or closes.

    Raises:
        ExtraError: ``saec[genicam]`` is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from harvesters.core import Harvester
        except ImportError as e:
            raise ExtraError("harvesters", "genicam") from e

        logging.getLogger("harvesters").setLevel(logging.CRITICAL)  # what it logs is raised here, or counted
        self.path, self.lock = path, threading.RLock()
        self._harvester: Any = Harvester()
        self._harvester.timeout_for_update = _SEARCH_MS
        self._harvester.add_file(str(path))
        self._acquirers: set[int] = set()

    def cameras(self) -> list[FoundCamera]:
        """The cameras that answer now.

        Raises:
            MachineError: the producer cannot be loaded.
        """
        with self.lock:
            self._search()
            return [_found(info, self.path) for info in self._harvester.device_info_list]

    def open(self, id_: str) -> Any:
        """A camera's ImageAcquirer, by its id.

        Raises:
            CameraLostError: it no longer answers, or is held by another program.
        """
        from genicam import gentl
        from harvesters.core import ParameterKey, ParameterSet

        with self.lock:
            infos = [info for info in self._harvester.device_info_list if _told(info).get("id_") == id_]
            if not infos:
                raise CameraLostError(f"the camera {id_} no longer answers", "check its cable and power")
            config = ParameterSet({ParameterKey.ENABLE_AUTO_CHUNK_DATA_UPDATE: False})
            try:
                acquirer = self._harvester.create(infos[0], config=config)
            except gentl.GenericException as e:
                raise CameraLostError(
                    f"the camera {id_} cannot be opened: {e}", "close other programs that hold it"
                ) from e
            self._acquirers.add(id(acquirer))
            return acquirer

    def close(self, acquirer: Any) -> None:
        """Let go of a camera."""
        with self.lock:
            self._acquirers.discard(id(acquirer))
            acquirer.destroy()

    def _search(self) -> None:
        """``Harvester.update`` closes every camera, so it is called where none is open; otherwise the open
        interfaces search again."""
        from genicam import gentl
        from harvesters.core import DeviceInfo

        harvester = self._harvester
        if not self._acquirers:
            harvester.update()
            if not harvester._systems:
                raise MachineError(
                    f"the GenTL producer {self.path} cannot be loaded",
                    "install what it needs, and stop other programs that use it",
                )
            return
        found = []
        for interface in harvester._ifaces:
            try:
                interface.module.update_device_info_list(_SEARCH_MS)
                listed = interface.module.device_info_list
            except gentl.GenericException:  # an interface that is gone has no cameras
                continue
            found += [DeviceInfo(module=info, parent=interface) for info in listed]
        harvester.device_info_list[:] = found


@cache
def gentl_producer(path: Path) -> GentlProducer:
    """A producer, opened once in this process."""
    return GentlProducer(path)


def _told(info: Any) -> dict[str, Any]:
    plain: dict[str, Any] = info.property_dict
    return plain


def _found(info: Any, path: Path) -> FoundCamera:
    told = {key: str(value) for key, value in _told(info).items() if value is not None}
    return FoundCamera(
        backend="genicam",
        id=told.get("id_", ""),
        vendor=told.get("vendor", ""),
        model=told.get("model", ""),
        serial=told.get("serial_number", ""),
        user_name=told.get("user_defined_name", ""),
        transport=told.get("tl_type", ""),
        producer=str(path),
    )


def find_genicam_cameras(producer: Path | None) -> list[FoundCamera]:
    """The cameras of the named producer, or of all.

    Raises:
        MachineError: there is no producer, or it cannot be loaded.
        ExtraError: ``saec[genicam]`` is not installed.
    """
    return [camera for path in gentl_producers(producer) for camera in gentl_producer(path).cameras()]
