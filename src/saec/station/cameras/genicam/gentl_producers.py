"""GenTL producers: the makers' drivers (.cti files) through which harvesters finds and opens cameras.

A process opens a producer once, and a wait in it holds Python's lock. So each camera has a process of its
own (``saec.station.cameras.genicam.genicam_child``), in which alone ``GentlProducer`` is used.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from saec.errors import CameraLostError, MachineError
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
            remedy = "give the .cti file of the camera's maker"
            raise MachineError(f"there is no GenTL producer {named}", remedy)
        return [named.resolve()]
    told = os.environ.get("GENICAM_GENTL64_PATH", "")
    folders = [Path(folder) for folder in told.split(os.pathsep) if folder]
    found = sorted({file.resolve() for folder in folders for file in folder.glob("*.cti")})
    if not found:
        raise MachineError(
            f"no GenTL producer: {_FOLDERS} names no folder with a .cti file",
            "install the maker's GenICam driver, or set producer to its .cti file",
        )
    return found


class GentlProducer:
    """One producer, and the cameras that answered when it was opened.

    Args:
        path: the .cti file.

    Raises:
        MachineError: it cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        from harvesters.core import Harvester

        logging.getLogger("harvesters").setLevel(logging.CRITICAL)  # what it logs is raised here, or counted
        self._path = path
        self._harvester: Any = Harvester()
        self._harvester.timeout_for_update = _SEARCH_MS
        self._harvester.add_file(str(path))
        self._harvester.update()
        if not self._harvester._systems:
            raise MachineError(
                f"the GenTL producer {path} cannot be loaded",
                "install what it needs, and stop other programs that use it",
            )

    def cameras(self) -> list[FoundCamera]:
        """Those that answered."""
        return [_found(info, self._path) for info in self._harvester.device_info_list]

    def open(self, id_: str) -> Any:
        """A camera's ImageAcquirer, by its id.

        Raises:
            CameraLostError: it does not answer, or is held by another program.
        """
        from genicam import gentl
        from harvesters.core import ParameterKey, ParameterSet

        infos = [info for info in self._harvester.device_info_list if info.property_dict.get("id_") == id_]
        if not infos:
            raise CameraLostError(f"the camera {id_} no longer answers", "check its cable and power")
        config = ParameterSet({ParameterKey.ENABLE_AUTO_CHUNK_DATA_UPDATE: False})
        try:
            return self._harvester.create(infos[0], config=config)
        except gentl.GenericException as e:
            raise CameraLostError(
                f"the camera {id_} cannot be opened: {e}", "close other programs that hold it"
            ) from e


def _found(info: Any, path: Path) -> FoundCamera:
    told = {key: str(value) for key, value in info.property_dict.items() if value is not None}
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
