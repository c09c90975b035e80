"""All errors of saec. Each says what is wrong and what to do; the command line prints both."""

from __future__ import annotations

import errno
import sqlite3


class SaecError(Exception):
    """Base of all errors that you can do something about.

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
    """The process that decodes a file failed. The file itself may be sound."""


class DecoderDiedError(DecoderError):
    """The process that decodes files ended while it decoded this one."""


class DecoderOverranError(DecoderError):
    """Decoding a file took too much processor time or memory, or it hung."""


class DecoderStartError(DecoderError):
    """The process that decodes files cannot be started. No file is at fault."""


class DataError(SaecError):
    """A data set does not have the form or the content that the task needs."""


class LeakError(DataError):
    """One image is used for two purposes, for example training and hold-out."""


class LineError(SaecError):
    """A line profile is missing, damaged or of another version."""


class ParityError(LineError):
    """The exported graph gives other labels than the fitted detector."""


class ModelError(SaecError):
    """A checkpoint, an adapter or a weight file is missing, unsafe or unsuited."""


class AnswerError(SaecError):
    """A model's answer cannot be parsed. It is counted, and never replaced by a default."""


class LinkError(SaecError):
    """The cloud cannot be reached, or did not answer in time. The frames are not at fault."""


class MachineError(SaecError):
    """A camera, a PLC or an output is there and does not do what the settings ask of it."""


class CameraLostError(MachineError):
    """A camera does not answer: unplugged, without power, at another address, or held by another program."""


class ExtraError(SaecError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", f"pip install 'saec[{extra}]'")


class SpoolError(SaecError):
    """The station's spool is damaged, or it refuses a request."""


class SpoolFullError(SpoolError):
    """The spool has no room for a frame: by its limits, or on the disk."""


class PeopleError(SaecError):
    """A change of the station's people is refused, such as a name that is taken or a short password."""


class LogInError(PeopleError):
    """Nobody is let in: a wrong name or password, a lock, or no provider that vouches for them."""


class ReviewError(SaecError):
    """A review cannot go on so, as when another person has the frame, or its file is damaged."""


class EndedError(SaecError):
    """A part that a running program needs has ended."""


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
"""What may pass: too few handles, memory or disk space; a disk's fault; a network share that is away."""


def is_transient(error: BaseException | None) -> bool:
    """Whether an error, or its cause, comes from the machine and may pass."""
    while error is not None:
        if isinstance(error, MemoryError | DecoderStartError | sqlite3.OperationalError):
            return True
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False
