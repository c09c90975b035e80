"""Files that nobody knows are set aside and not removed: an image may be all that is left of a frame.

    DATA/aside/20260131-120000/images/...

They count in the budget, go last where room is short, and after a stated age.
"""

from __future__ import annotations

import calendar
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from saec.station.storage.database.schema import sync_folder
from saec.station.storage.storage_quota import entry_sizes

_FORM = "%Y%m%d-%H%M%S"


class SetAsideFiles:
    """The folder of what was set aside, a folder of its own for each time.

    Args:
        data: the station's folder.
    """

    def __init__(self, data: Path) -> None:
        self.folder, self._data = data / "aside", data

    def at(self, now: float) -> Path:
        """The folder for what is set aside at a time (seconds since the epoch)."""
        return self.folder / time.strftime(_FORM, time.gmtime(now))

    def take(self, path: Path, now: float) -> Path:
        """Move a file or a folder of the data folder aside; where it lies now.

        Raises:
            OSError: it cannot be moved; it stays.
        """
        target = self.at(now) / path.relative_to(self._data)
        target.parent.mkdir(parents=True, exist_ok=True)
        free, n = target, 0
        while free.exists():  # set aside within the same second, under the same name
            n += 1
            free = target.with_name(f"{target.stem}-{n}{target.suffix}")
        os.rename(path, free)  # noqa: PTH104  # within one file system, as all of the data folder
        sync_folder(free.parent)
        return free

    def times(self) -> list[tuple[float, Path]]:
        """When (seconds since the epoch), and the folder; the oldest first."""
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            with suppress(ValueError, OverflowError):
                found.append((float(calendar.timegm(time.strptime(path.name, _FORM))), path))
        return sorted(found)

    def drop_before(self, limit: float) -> int:
        """Remove what was set aside before a time; how many folders."""
        old = [path for when, path in self.times() if when < limit]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return len(old)

    def drop_oldest(self, size: int) -> int:
        """Remove files, those first that were set aside first, until so many bytes are free; how many are."""
        freed = 0
        for _, folder in self.times():
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                if freed >= size:
                    return freed
                freed += _drop(path)
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def bytes(self) -> int:
        return sum(entry_sizes(self.folder).values()) if self.folder.is_dir() else 0


def _drop(path: Path) -> int:
    with suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
