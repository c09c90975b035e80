"""Opening a file of a folder in which others write: never through a link, never waiting, only as it was seen.

Between the look at a folder and the reading somebody may put a link, a pipe or a device where the file was,
or a link where one of its folders was. So each folder on the way is opened in the one above it without
following links (openat with O_NOFOLLOW), and what was opened is looked at before it is read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SeenFile(NamedTuple):
    """A file as a look at its folder found it.

    Attributes:
        time: when it was last written by its own account, ns; programs can set it.
        size: bytes.
        device, inode: which file it is, whatever it is called.
        names: how many names (hard links) it has.
        changed: when it, its time or its names last changed, ns; no program can set that.
    """

    time: int
    size: int
    device: int
    inode: int
    names: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> SeenFile:
        return cls(
            status.st_mtime_ns,
            status.st_size,
            status.st_dev,
            status.st_ino,
            status.st_nlink,
            status.st_ctime_ns,
        )

    def but_for_names(self) -> SeenFile:
        """The same file with one name: a name that it is given after it was taken makes it no other."""
        return self._replace(names=1, changed=0)


class ChangedError(Exception):
    """The file is not what was seen: it is to be looked at again."""


def see_file(path: Path) -> SeenFile | None:
    """A file as it is now; None for what is no file of its own (a link, a pipe, a device) or has gone."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return SeenFile.of(status) if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def folder_of(root: Path, inside: PurePath) -> Iterator[int]:
    """The folder that holds a file, as a descriptor to be used as ``dir_fd``.

    Args:
        root: may be a link itself: whoever writes the settings names it.
        inside: the file, relative to root; none of its folders is a link.

    Raises:
        OSError: a folder is gone, or is a link now.
    """
    at = os.open(root, _FOLDER)
    try:
        for part in inside.parts[:-1]:
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def read_as_seen(root: Path, inside: PurePath, seen: SeenFile) -> bytes:
    """The bytes of a file that is still the one that was seen; no more of them than it had then.

    Raises:
        ChangedError: it is another file, or was written to meanwhile.
        OSError: it cannot be opened or read, or has become a link.
    """
    with folder_of(root, inside) as at:
        opened = os.open(inside.name, _FILE, dir_fd=at)
    with os.fdopen(opened, "rb", buffering=0) as file:
        _check(opened, seen)
        data = bytearray()
        while len(data) < seen.size and (part := file.read(seen.size - len(data))):
            data += part
        _check(opened, seen)
    if len(data) != seen.size:
        raise ChangedError(f"{inside} was truncated while it was read")
    return bytes(data)


def remove_as_seen(root: Path, inside: PurePath, seen: SeenFile) -> None:
    """Remove a file that is still the one that was seen; what has taken its place stays.

    Raises:
        OSError: it cannot be removed, or one of its folders has become a link.
    """
    with folder_of(root, inside) as at:
        status = os.stat(inside.name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and SeenFile.of(status) == seen:
            os.unlink(inside.name, dir_fd=at)


def _check(opened: int, seen: SeenFile) -> None:
    status = os.fstat(opened)
    if not stat.S_ISREG(status.st_mode) or SeenFile.of(status) != seen:
        raise ChangedError("the file was replaced or written to meanwhile")
