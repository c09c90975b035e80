"""The image files of a spool: a folder for each hour, so that none grows without bound."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from saec.station.storage.database import sync_folder, write_synced

_RECENT = 3600.0
"""Seconds before the last change of any folder within which what a dead process left behind was written."""


class ImageFiles:
    """Writes and tidies image files; which of them are held is for the database to say.

    Args:
        folder: of all images; made where it is missing.
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
            folder.mkdir(exist_ok=True)
            sync_folder(self.folder)
        path = folder / f"{sha256[:16]}-{secrets.token_hex(4)}{suffix}"
        write_synced(path, data)
        return path

    def remove_orphans(self, held: Callable[[str], Collection[str]]) -> None:
        """Remove files that were written and never acknowledged, of a process that died in between.

        They are among the last that were written, so only folders are looked at that were changed then.

        Args:
            held: names of the files in a folder that the database knows.
        """
        folders = [(path.stat().st_mtime, path) for path in self._folders()]
        newest = max((changed for changed, _ in folders), default=0.0)
        for folder in (path for changed, path in folders if changed >= newest - _RECENT):
            known = held(folder.name)
            for path in folder.iterdir():
                if path.name not in known:
                    path.unlink()

    def drop_empty_folders(self) -> None:
        """Remove folders in which nothing is left, but for the latest two."""
        for folder in sorted(self._folders())[:-2]:
            with suppress(OSError):
                folder.rmdir()

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.is_dir()]
