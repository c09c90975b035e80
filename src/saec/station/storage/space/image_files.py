"""The image files of a spool: a folder for each hour, so that none grows without bound."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import structlog

from saec.station.storage.database.schema import sync_folder, write_synced
from saec.station.storage.space.set_aside import SetAsideFiles

_PROBE = "probe"

log = structlog.get_logger()


class ImageFiles:
    """Writes and tidies image files; which of them are held is for the database to say.

    Args:
        folder: the folder of all images; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def write(self, data: bytes, sha256: str, suffix: str, now: float) -> Path:
        """A new file, its bytes synced; its name is once its folder is.

        Raises:
            OSError: it cannot be written; no file is left.
        """
        folder = self.folder / time.strftime("%Y%m%d-%H", time.gmtime(now))
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)  # somebody may have removed all of them
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
        path = folder / f"{sha256[:16]}-{secrets.token_hex(4)}{suffix}"
        write_synced(path, data)
        return path

    def probe(self) -> None:
        """Write a file here, and read it.

        Raises:
            OSError: that is not possible now.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / _PROBE
        path.write_bytes(_PROBE.encode())
        if path.read_bytes() != _PROBE.encode():
            raise OSError(errno.EIO, "the disk returns other data than were written", str(path))

    def set_aside(self, held: Callable[[str], Collection[str]], aside: SetAsideFiles, now: float) -> int:
        """Set files aside that the database does not know, and say how many; before any is written.

        They are what a process wrote that died before it acknowledged them, or all that is left where the
        database was lost.

        Args:
            held: names of the files in a folder that the database knows.
            aside: takes them.
            now: seconds since the epoch.
        """
        count = 0
        for folder in self._folders():
            known, names = held(folder.name), [path.name for path in folder.iterdir()]
            unknown = [name for name in names if name not in known]
            count += len(unknown)
            whole = bool(unknown) and len(unknown) == len(names)
            for path in [folder] if whole else [folder / name for name in unknown]:
                try:
                    aside.take(path, now)
                except OSError as e:  # as on a full disk: it stays until the next start
                    log.warning(
                        "file that is not in the database could not be moved to aside/",
                        file=str(path),
                        error=str(e),
                    )
        return count

    def drop_empty_folders(self) -> None:
        """Remove folders in which nothing is left, but for the latest two."""
        for folder in sorted(self._folders())[:-2]:
            with suppress(OSError):
                folder.rmdir()

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.is_dir()]
