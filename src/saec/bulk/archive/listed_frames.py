"""A frame of an archive: what it is called, and where its bytes lie."""

from __future__ import annotations

import msgspec

from saec.errors import ExtraError
from saec.types import Source


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where the bytes of a frame lie.

    Attributes:
        file: a path, or an address such as ``s3://bucket/a.tar``.
        start: the first byte in a tar file, or the row in a row group; -1 for the whole file.
        size: bytes in a tar file.
        group: the row group of a Parquet file; -1 for any other file.
        column: the column of a Parquet file that holds the bytes.
    """

    file: str
    start: int = -1
    size: int = 0
    group: int = -1
    column: str = ""


class ListedFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frame of the archive.

    Attributes:
        id: unique within the archive, the path relative to its root with "/" between its parts.
        path: the file; ``tar://MEMBER::TAR`` in a tar file, ``FILE#row=N`` in a Parquet file.
        place: where its bytes lie.
        stamp: changes when the file does, of size and time; "" where the store does not tell them.
        known: hashes under which the path has a verdict already.
        fault: why the file cannot be read, where listing found that it is damaged; else "".
    """

    id: str
    path: str
    place: Place
    stamp: str = ""
    known: tuple[str, ...] = ()
    fault: str = ""

    @property
    def source(self) -> Source:
        """The frame as a run's source; an archive has no ground truth."""
        return Source(id=self.id, path=self.path)


def is_address(archive: str) -> bool:
    """Whether an archive is an address such as ``s3://bucket/photos``, and no path of this machine."""
    return "://" in archive


def missing_package(error: ImportError) -> ExtraError:
    """The error for a library of the extra ``bulk`` that is not installed."""
    return ExtraError(error.name or str(error), "bulk")
