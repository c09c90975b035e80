"""How much the data folder holds and may hold, counted as the disk counts: in blocks."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from saec.errors import SpoolFullError
from saec.station.storage.records import SpoolLimits

GIGABYTE = 1e9
BLOCK = 4096

LEAST = 64_000_000
"""Bytes for database and images that the station has to work with, whatever the limit says."""

DATABASE = ("spool.sqlite", "spool.sqlite-wal", "spool.sqlite-shm")

_COUNTED = {"images", *DATABASE}
"""What is counted by its rows, or anew at each look."""


def on_disk(size: int) -> int:
    """Bytes that a file of so many takes, in whole blocks."""
    return -(-size // BLOCK) * BLOCK


def entry_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each entry of a data folder beside images and database; what goes meanwhile is left out."""
    found: dict[str, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in _COUNTED:
                with suppress(OSError):
                    found[entry.name] = _tree(entry)
    return found


def _tree(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return on_disk(entry.stat(follow_symlinks=False).st_size)
    total = BLOCK
    with suppress(OSError), os.scandir(entry.path) as entries:
        for inner in entries:
            with suppress(OSError):
                total += _tree(inner)
    return total


class StorageQuota:
    """Counts what lies in a data folder and keeps room for what comes; safe to use from several threads.

    Args:
        folder: the station's data.
        limits: what it may hold.

    Attributes:
        open_frames: frames without a final verdict; changed by whoever writes, in a transaction.
        images: bytes of images that have a row; likewise.
        other: bytes of what lies beside images and database, by its name; by the last ``measure``.
    """

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        self._folder, self.limits = folder, limits
        self.open_frames, self.images = 0, 0
        self.other: dict[str, int] = {}
        self._lock = threading.Lock()
        self._arriving: list[int] = []  # bytes of each frame that is being taken over

    @property
    def budget(self) -> int:
        """Bytes that everything in the folder may take.

        At least what cannot be removed (versions of lines, pictures) and room to work: a limit that is too
        small is told of, and stops no line.
        """
        return max(int(self.limits.size_gb * GIGABYTE), self._least())

    def _least(self) -> int:
        return sum(self.other.values()) - self.other.get("aside", 0) + LEAST

    def complaint(self) -> str:
        """Why the stated limit cannot be kept, one sentence; "" where it can."""
        if self._least() <= self.limits.size_gb * GIGABYTE:
            return ""
        return (
            f"[spool] size_gb = {self.limits.size_gb:g} is too little: the data folder already takes "
            f"{self.words()}; allow more, or remove old versions"
        )

    def measure(self) -> None:
        """Look anew at what lies beside images and database."""
        self.other = entry_sizes(self._folder)

    def database(self) -> int:
        """Bytes of the database with its log."""
        total = 0
        for name in DATABASE:
            with suppress(OSError):
                total += on_disk((self._folder / name).stat().st_size)
        return total

    def used(self) -> int:
        """Bytes of everything in the folder."""
        return self.images + self.database() + sum(self.other.values())

    def short(self, coming: int = 0, share: float = 1.0) -> int:
        """Bytes by which the folder is over a share of its budget once so many more have come."""
        with self._lock:
            coming += sum(self._arriving)
        return max(0, int(self.used() + coming - share * self.budget))

    def disk_short(self, margin: float = 0.0) -> int:
        """Bytes that are missing on the disk for its reserve and a margin (a share of the budget)."""
        reserve = self.limits.free_gb * GIGABYTE + margin * self.budget
        return max(0, int(reserve - shutil.disk_usage(self._folder).free))

    @contextmanager
    def keep(self, size: int) -> Iterator[None]:
        """Keep room for a frame while it is taken over, beside the others that are.

        Raises:
            SpoolFullError: there is none; the error says what takes it.
        """
        size = on_disk(size)
        with self._lock:
            self._check(size)
            self._arriving.append(size)
        try:
            yield
        finally:
            with self._lock:
                self._arriving.remove(size)

    def _check(self, size: int) -> None:
        limits, coming = self.limits, size + sum(self._arriving)
        free = shutil.disk_usage(self._folder).free
        if self.open_frames + len(self._arriving) >= limits.frames:
            raise SpoolFullError(
                f"the station stores no more frames: {self.open_frames} frames wait for their final verdict",
                "if they wait for the cloud, check the connection; else send fewer frames",
            )
        if self.used() + coming > self.budget:
            raise SpoolFullError(
                f"the station stores no more frames: the data folder takes {self.words()}",
                "allow more in [spool] size_gb, or keep images for fewer days ([retention] image_days)",
            )
        if free - coming < limits.free_gb * GIGABYTE:
            raise SpoolFullError(
                f"the station stores no more frames: only {free / GIGABYTE:.2f} GB are free on the disk",
                "free space on the disk",
            )

    def status(self) -> dict[str, int]:
        """Bytes of the budget, of all that is used, and of its parts."""
        parts = {"images": self.images, "database": self.database(), **self.other}
        return {"budget": self.budget, "used": sum(parts.values()), **dict(sorted(parts.items()))}

    def words(self) -> str:
        """Who takes how much of the budget, the largest first."""
        parts = {name: size for name, size in self.status().items() if name not in ("budget", "used")}
        largest = sorted(parts.items(), key=lambda item: -item[1])[:4]
        named = ", ".join(f"{name} {size / GIGABYTE:.2f}" for name, size in largest)
        return f"{self.used() / GIGABYTE:.2f} of {self.budget / GIGABYTE:.2f} GB ({named})"
