"""Exceptions. Each names the thing that is wrong and the remedy; the CLI prints both."""

from __future__ import annotations

import errno
import sqlite3


class SaecError(Exception):
    """Base of all errors that a user can mend.

    >>> import saec
    >>> try:
    ...     saec.Line.open("no/such/folder")
    ... except saec.SaecError as error:
    ...     print(f"{error.what}. To do: {error.remedy}")
    no/such/folder is not a line profile: no line.json. To do: make one with `saec fit DATASET --out LINE`

    Args:
        what: what is wrong, naming the file, option or value.
        remedy: what to do about it, one sentence.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


class ConfigError(SaecError):
    """An option or a setting is missing, out of range or contradicts another."""


class ImageError(SaecError):
    """A file cannot be decoded to an image."""


class DecoderError(SaecError):
    """What became of the process that decodes a file, and not what is in the file."""


class DecoderDiedError(DecoderError):
    """The process that decoded a file has ended meanwhile."""


class DecoderOverranError(DecoderError):
    """Decoding a file took more processor time or memory than it may, or hung."""


class DecoderStartError(DecoderError):
    """No process can be started that decodes: no fault of any file."""


class DataError(SaecError):
    """A data set does not have the form or the content that the task needs."""


class LeakError(DataError):
    """One image stands in two roles, for example training and hold-out."""


class LineError(SaecError):
    """A line profile is missing, damaged or of another version."""


class ParityError(LineError):
    """The exported graph does not agree with the detector that was fitted."""


class ModelError(SaecError):
    """A checkpoint, an adapter or a weight file is missing, unsafe or unsuited."""


class AnswerError(SaecError):
    """A model's answer does not parse; it is counted, never replaced by a default."""


class LinkError(SaecError):
    """The cloud cannot be reached, or it did not answer in time: no fault of the frames asked about."""


class ExtraError(SaecError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", f"pip install 'saec[{extra}]'")


class SpoolError(SaecError):
    """The station's spool is damaged, or is asked for what it must not do."""


class SpoolFullError(SpoolError):
    """A frame was refused: there is no room for it by the stated limits, or on the disk."""


class EndedError(SaecError):
    """A part of a running program has ended that it cannot be without."""


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
