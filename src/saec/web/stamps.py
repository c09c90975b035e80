"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int, int, int]


def stamp(path: Path | None) -> Stamp | None:
    """What changes when a file is replaced or written to; None where there is none.

    Inode and time of the last change of state are among it: a file that is copied over may keep time and
    size.
    """
    try:
        s = path.stat() if path is not None else None
    except OSError:
        return None
    return None if s is None else (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
