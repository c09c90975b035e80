"""Whether a file is still the one that was read."""

from __future__ import annotations

import stat
from pathlib import Path

from saec.errors import ConfigError

Stamp = tuple[int, int, int, int, int]


def file_stamp(path: Path | None) -> Stamp | None:
    """What changes when a file is replaced or written to; None where there is none.

    Inode and time of the last change of state are among it: a file that is copied over may keep time and
    size.
    """
    try:
        s = path.stat() if path is not None else None
    except OSError:
        return None
    return None if s is None else (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)


def check_plain_file(path: Path) -> None:
    """Refuse what is there and is no file: to open a pipe may never end, and all requests would wait for it.

    Raises:
        ConfigError: it is a folder, a pipe, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # who reads it says so
        return
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is a folder, a pipe or a device, not a file", "put a file there")
