"""What runs where: versions of programs, the machine, and the disk of the data folder."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import psutil

from saec.extensions import VERSION

_PACKAGES = ("openvino", "numpy", "opencv-python-headless", "msgspec")


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a station, now.

    Attributes:
        programs: versions by name: saec, Python, SQLite, and the packages that judge.
        python: path of the Python that runs, which tells the environment.
        system: the operating system.
        processor: its name; "" where the system does not say.
        processors: how many there are.
        memory, memory_free: bytes.
        disk, disk_free: bytes of the disk that holds the data folder.
        load: the averages of the last 1, 5 and 15 minutes.
    """

    programs: dict[str, str]
    python: str
    system: str
    processor: str
    processors: int
    memory: int
    memory_free: int
    disk: int
    disk_free: int
    load: tuple[float, float, float]


def machine_facts(data: Path) -> MachineFacts:
    """Look at the machine.

    Args:
        data: the data folder.

    Raises:
        OSError: the data folder is not there.
    """
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(data)
    return MachineFacts(
        programs=_programs(),
        python=sys.executable,
        system=platform.platform(),
        processor=_processor(),
        processors=os.cpu_count() or 1,
        memory=memory.total,
        memory_free=memory.available,
        disk=disk.total,
        disk_free=disk.free,
        load=os.getloadavg(),
    )


def _programs() -> dict[str, str]:
    found = {"saec": VERSION, "Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in path.read_text().splitlines() if "model name" in line)
    return next(named, platform.processor())
