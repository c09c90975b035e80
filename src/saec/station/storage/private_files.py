"""What lies in a station's data folder is its own: images, verdicts and weights are nobody else's to read.

The process makes files for itself alone (umask 077). What a person is to read or to write into, a sink's
folder or a watched one, gets the rights that it would have had.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import structlog

_OTHERS = 0o077

log = structlog.get_logger()


class FilePermissions:
    """Permissions of the files that this process makes.

    Attributes:
        umask: the umask of whoever started the process.
    """

    umask: int | None = None

    @classmethod
    def close(cls) -> None:
        """From now on files are made for this process's user alone."""
        before = os.umask(_OTHERS)
        if cls.umask is None:
            cls.umask = before

    @classmethod
    def open_up(cls, path: Path) -> None:
        """Give what was just made for others the rights that whoever started the process wants for it."""
        if cls.umask is not None:
            path.chmod((0o777 if path.is_dir() else 0o666) & ~cls.umask)


def make_folder(path: Path) -> None:
    """Make a folder that is for others as well, where there is none.

    Raises:
        OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        FilePermissions.open_up(folder)


def restrict_permissions(data: Path, spared: Iterable[Path]) -> None:
    """Take from others what lies in a data folder and was made before; a failure is logged and stops nothing.

    Args:
        data: the folder; it is made where there is none.
        spared: folders that others are to reach, and so all that is on the way to them.
    """
    data.mkdir(parents=True, exist_ok=True)
    kept = [path.resolve() for path in spared]
    try:
        if not _leads_to(data.resolve(), kept):
            _close(data)
        for entry in sorted(data.iterdir()):
            if entry.is_symlink() or _leads_to(entry.resolve(), kept):
                continue
            if entry.lstat().st_mode & _OTHERS:
                make_private(entry)
    except OSError as e:
        log.warning("file permissions not set", folder=str(data), error=str(e))


def _leads_to(path: Path, kept: list[Path]) -> bool:
    return any(one.is_relative_to(path) for one in kept)


def make_private(entry: Path) -> None:
    """A file, or a folder with all in it, itself last: what was interrupted is done again."""
    if entry.is_dir():
        for folder, folders, names in os.walk(entry, topdown=False):
            for name in (*names, *folders):
                _close(Path(folder) / name)
    _close(entry)


def _close(path: Path) -> None:
    mode = path.lstat().st_mode
    if mode & _OTHERS and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def owner_of(path: Path) -> tuple[int, int]:
    """User and group of a path, or of the nearest folder above it that there is."""
    found = next(one for one in (path, *path.absolute().parents) if one.exists()).stat()
    return found.st_uid, found.st_gid


def give_to_owner(path: Path, owner: tuple[int, int]) -> None:
    """Give what root has made, a file or a folder with all in it, to whom the station runs as."""
    if os.geteuid() == 0:
        for one in (path, *path.rglob("*")):
            os.chown(one, *owner, follow_symlinks=False)
