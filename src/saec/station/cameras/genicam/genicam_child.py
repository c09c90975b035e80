"""The process of one GenICam camera: does what the station's process asks over a socket.

``python -m saec.station.cameras.genicam.genicam_child HANDLE PRODUCER``. A question is a name and its
arguments; an answer is "done" and the result, or the kind, the words and the remedy of an error. It ends
with the socket.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.genicam.genicam_camera import GenicamCamera
from saec.station.cameras.genicam.gentl_producers import GentlProducer

DONE, LOST, REFUSED = "done", "lost", "refused"


class _Served:
    """A producer, and the camera of it that was opened."""

    def __init__(self, path: Path) -> None:
        self._producer = GentlProducer(path)
        self.methods: dict[str, Callable[..., Any]] = {
            "cameras": self._producer.cameras,
            "open": self._open,
        }

    def _open(self, id_: str) -> None:
        found = next((one for one in self._producer.cameras() if one.id == id_), None)
        if found is None:
            raise CameraLostError(f"the camera {id_} no longer answers", "check its cable and power")
        camera = GenicamCamera(found, self._producer.open(id_))
        self.methods |= {
            "feature": camera.feature,
            "feature_names": camera.feature_names,
            "set_feature": camera.set_feature,
            "execute": camera.execute,
            "start": camera.start,
            "stop": camera.stop,
            "fetch": camera.fetch,
            "close": camera.close,
        }


def serve(connection: Connection, path: Path) -> None:
    """Answer until the other end closes."""
    served: _Served | None = None
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        try:
            served = served or _Served(path)
            answer: tuple[Any, ...] = (DONE, served.methods[name](*arguments))
        except CameraLostError as e:
            answer = (LOST, e.what, e.remedy)
        except MachineError as e:
            answer = (REFUSED, e.what, e.remedy)
        except Exception as e:  # harvesters raises what makers' drivers do
            answer = (LOST, f"the GenTL producer {path} failed: {e!r}", "see its maker's manual")
        connection.send(answer)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the station ends it, by closing the socket
    serve(Connection(int(sys.argv[1])), Path(sys.argv[2]))
