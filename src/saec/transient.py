"""Errors that are the machine's and not a frame's, and pass: what they hit is tried again, never given up."""

from __future__ import annotations

import errno
import sqlite3

from saec.errors import DecoderStartError

_PASSING = frozenset(
    (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.EAGAIN,
        errno.EINTR,
        errno.EBUSY,
        errno.ENOBUFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
    )
)
"""Handles, memory, the disk's room and its faults, a share that is away."""


def is_transient(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, is the machine's and may pass."""
    while error is not None:
        if isinstance(error, MemoryError | DecoderStartError | sqlite3.OperationalError):
            return True
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False
