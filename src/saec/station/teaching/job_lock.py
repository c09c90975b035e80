"""One job at a time on a station: whoever runs one holds a lock, and so does its program.

The lock belongs to the opened file, which the program inherits. Where the page is killed, its program still
holds the lock until it has ended, too. So there are never two programs of one job.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def job_lock(path: Path) -> Iterator[int | None]:
    """The lock, as the number of an opened file that a program may inherit; None where another holds it.

    Args:
        path: the lock's file; made where there is none.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield handle
    finally:
        os.close(handle)
