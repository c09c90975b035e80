"""A station to look at: a folder with drawn pictures, a line, a settings file, and the program itself."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx

from saec.errors import MachineError
from saec.settings import DrawingConfig
from saec.station.cameras.camera_mishaps import CameraMishaps
from saec.station.maintenance.local_request import ask_itself
from saec.station.setup.settings_file import read_settings
from saec.station.setup.station_settings import StationSettings
from saec.station.simulated.machine.machine_settings import MachineSettings
from saec.station.simulated.machine.shown_sections import plc_section, source_section

_FAMILY = "leather"
_DRAWING = DrawingConfig(n_train=24, n_train_defect=8, n_good=12, n_defect=8, difficulty=0.3, size_px=224)
_READY, _END = 120.0, 40.0
"""Seconds within which the station is ready, and ends."""


def prepare_station(
    folder: Path, machine: MachineSettings, mishaps: CameraMishaps, say: Callable[[str], None]
) -> Path:
    """The settings file of a station in a folder; pictures and line are made where they are missing.

    Args:
        say: is told what takes time.

    Raises:
        SaecError: a line cannot be fitted; the extra ``saec[fit]`` is missing, for example.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = folder / "drawn"
    if (machine.pictures is None or machine.line is None) and not drawn.is_dir():
        from saec.data.procedural import write_dataset

        say("drawing pictures")
        write_dataset(drawn, _FAMILY, _DRAWING)
    line = machine.line or folder / "line"
    if not (line / "line.json").is_file():
        from saec.api.line_making import fit

        say("fitting a line on them (half a minute)")
        shutil.rmtree(line, ignore_errors=True)
        fit(drawn, out=line, side_px=224)
    images = machine.pictures or drawn / "test"
    port, own = _free_ports(2)
    parts = [
        f'[station]\nname = "simulated"\ndata = "data"\nlisten = "127.0.0.1:{own}"\n',
        f'[[line]]\nname = "demo"\nprofile = {_quoted(line)}\n',
        source_section(str(images.resolve()), "demo", mishaps, "random"),
        plc_section(machine.way, port, "demo"),
    ]
    path = folder / "station.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _quoted(path: Path) -> str:
    return f"'{path.resolve()}'"


def _free_ports(count: int) -> list[int]:
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


class StationChild:
    """`saec station` as a process of its own, until it is left.

    Args:
        path: its settings file; the log lies beside it.

    Attributes:
        settings: what the file says.
        log: what the station logs.

    Raises:
        MachineError: it ends, or is not ready in time.
    """

    def __init__(self, path: Path) -> None:
        self.settings: StationSettings = read_settings(path)
        self.log = path.with_name("station.log")
        with self.log.open("ab") as log:
            command = [sys.executable, "-P", "-m", "saec", "station", "--config", str(path.resolve())]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            MachineError: it has ended, or does not within two minutes.
        """
        until = time.monotonic() + _READY
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                last = self.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
                raise MachineError("the station has not started: " + " ".join(last), f"see {self.log}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return bool(ask_itself(self.settings, "/health"))
        except httpx.HTTPError:
            return False
