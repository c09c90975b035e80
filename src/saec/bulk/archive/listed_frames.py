"""A frame of an archive: what it is called, where its bytes lie, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


class PlaceReader:
    """Reads frames by their places. Of a Parquet file it keeps the column of the last row group.

    ``s3fs``, ``gcsfs`` and the like read their own settings and credentials.
    """

    def __init__(self) -> None:
        self._group: tuple[str, int, str] | None = None
        self._column: Any = None

    def read(self, place: Place) -> bytes:
        """The frame's bytes.

        Raises:
            OSError: they cannot be read.
            ExtraError: the library that opens such a place is not installed.
            Exception: whatever the library of an object store raises.
        """
        if place.column:
            return self._row(place)
        if is_address(place.file):
            return _stored(place)
        if place.start < 0:
            return Path(place.file).read_bytes()
        with Path(place.file).open("rb") as f:
            f.seek(place.start)
            return _whole(f.read(place.size), place)

    def _row(self, place: Place) -> bytes:
        group = (place.file, place.group, place.column)
        if self._group != group:
            self._column, self._group = _column(place), group
        value = self._column[place.start].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not data:
            raise OSError(f"row {place.start} of row group {place.group} holds no bytes")
        return bytes(data)


def _whole(data: bytes, place: Place) -> bytes:
    if len(data) != place.size:
        raise OSError(f"{place.file} ends within the image")
    return data


def _stored(place: Place) -> bytes:
    from saec.bulk.archive.object_stores import store_of

    fs, path = store_of(place.file)
    if place.start < 0:
        return bytes(fs.cat_file(path))
    return _whole(bytes(fs.cat_file(path, start=place.start, end=place.start + place.size)), place)


def _column(place: Place) -> Any:
    from saec.bulk.archive.containers import open_parquet

    with open_parquet(place.file) as file:
        return file.read_row_group(place.group, columns=[place.column]).column(0)


def missing_package(error: ImportError) -> ExtraError:
    """The error for a library of the extra ``bulk`` that is not installed."""
    return ExtraError(error.name or str(error), "bulk")
