"""How the bytes of an archive's frames are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saec.bulk.archive.containers import open_parquet
from saec.bulk.archive.listed_frames import Place, is_address
from saec.bulk.archive.object_stores import store_of


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
    fs, path = store_of(place.file)
    if place.start < 0:
        return bytes(fs.cat_file(path))
    return _whole(bytes(fs.cat_file(path, start=place.start, end=place.start + place.size)), place)


def _column(place: Place) -> Any:
    with open_parquet(place.file) as file:
        return file.read_row_group(place.group, columns=[place.column]).column(0)
