"""GenICam cameras, each in a process of its own: a maker's driver that hangs or crashes ends alone."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from saec.errors import CameraLostError, ExtraError, MachineError
from saec.station.cameras.camera_contract import CameraFeature, CameraPicture, FeatureValue, FoundCamera
from saec.station.cameras.genicam.genicam_child import DONE, LOST
from saec.station.cameras.genicam.gentl_producers import gentl_producers

_OPENING = 30.0
"""Seconds within which a producer is loaded, its cameras are searched and one is opened."""

_ANSWER = 10.0
"""Seconds within which anything else is done, beside what a fetch may wait."""


class GenicamProcess:
    """A process with one producer; it is killed where it does not answer.

    Args:
        producer: the .cti file.

    Raises:
        ExtraError: ``saec[genicam]`` is not installed.
    """

    def __init__(self, producer: Path) -> None:
        if find_spec("harvesters") is None or find_spec("genicam") is None:
            raise ExtraError("harvesters", "genicam")
        self._producer = producer
        ours, theirs = socket.socketpair()
        handle = theirs.fileno()
        command = [
            sys.executable,
            "-m",
            "saec.station.cameras.genicam.genicam_child",
            str(handle),
            str(producer),
        ]
        self._child = subprocess.Popen(
            command, pass_fds=[handle], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        theirs.close()
        self._connection = Connection(os.dup(ours.fileno()))
        ours.close()

    def ask(self, name: str, *arguments: Any, seconds: float = _ANSWER) -> Any:
        """Have something done there.

        Raises:
            CameraLostError: the camera, or the process, does not answer.
            MachineError: the camera refuses.
        """
        try:
            self._connection.send((name, arguments))
            if not self._connection.poll(seconds):
                self.end()
                raise self._gone(f"hung for {seconds:g} s and was ended")
            kind, *rest = self._connection.recv()
        except (OSError, EOFError) as e:
            self.end()
            raise self._gone("ended") from e
        if kind == DONE:
            return rest[0]
        what, remedy = rest
        raise (CameraLostError if kind == LOST else MachineError)(what, remedy)

    def end(self) -> None:
        """End the process, at once."""
        self._connection.close()
        self._child.kill()
        self._child.wait()

    def _gone(self, how: str) -> CameraLostError:
        return CameraLostError(
            f"the process of the GenTL producer {self._producer} {how}", "see its maker's manual"
        )


def find_genicam_cameras(producer: Path | None) -> list[FoundCamera]:
    """The cameras of the named producer, or of all.

    Raises:
        MachineError: there is no producer, or it cannot be loaded.
        ExtraError: ``saec[genicam]`` is not installed.
    """
    found: list[FoundCamera] = []
    for path in gentl_producers(producer):
        process = GenicamProcess(path)
        try:
            found += process.ask("cameras", seconds=_OPENING)
        finally:
            process.end()
    return found


class RemoteGenicamCamera:
    """An opened camera in its own process.

    Args:
        found: the camera, by ``find_genicam_cameras``.

    Raises:
        CameraLostError: it does not answer, or another program holds it.
        ExtraError: ``saec[genicam]`` is not installed.
    """

    def __init__(self, found: FoundCamera) -> None:
        self.found = found
        self._process = GenicamProcess(Path(found.producer))
        try:
            self._process.ask("open", found.id, seconds=_OPENING)
        except MachineError:
            self._process.end()
            raise

    def feature(self, name: str) -> CameraFeature | None:
        feature: CameraFeature | None = self._process.ask("feature", name)
        return feature

    def feature_names(self) -> Sequence[str]:
        names: list[str] = self._process.ask("feature_names")
        return names

    def set_feature(self, name: str, value: FeatureValue) -> None:
        self._process.ask("set_feature", name, value)

    def execute(self, name: str) -> None:
        self._process.ask("execute", name)

    def start(self) -> None:
        self._process.ask("start")

    def stop(self) -> None:
        self._process.ask("stop")

    def fetch(self, seconds: float) -> CameraPicture | None:
        picture: CameraPicture | None = self._process.ask("fetch", seconds, seconds=seconds + _ANSWER)
        return picture

    def close(self) -> None:
        with contextlib.suppress(MachineError):  # it is gone already
            self._process.ask("close")
        self._process.end()
