"""Files that hold many images: tar shards, and Parquet files with a column of bytes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from saec.bulk.archive.listed_frames import ListedFrame, Place, is_address, missing_package
from saec.bulk.archive.object_stores import store_of
from saec.data.images.file_names import is_picture
from saec.errors import ConfigError, DataError, ImageError

TAR, PARQUET = ".tar", ".parquet"
_PACKED = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst", ".zip")
_HEADERS = 2**20
"""Bytes that are read at once of a tar file in a store, for its headers."""


def is_container(name: str) -> bool:
    """Whether a file of that name holds images."""
    return name.lower().endswith((TAR, PARQUET))


def check_no_archive(given: str) -> None:
    """Refuse what is judged on Ray alone: an address, or a file that holds many images.

    Raises:
        ConfigError: it is one; names the engine and the extra.
    """
    if is_address(given):
        what = f"{given} is an address, which only Ray reads"
    elif is_container(given) and Path(given).is_file():
        what = f"{given} is an archive of many images, which only Ray reads"
    else:
        return
    raise ConfigError(what, "add --engine ray, in Python engine=\"ray\" (pip install 'saec[bulk]')")


def check_unpacked(name: str) -> None:
    """Refuse a compressed archive, in which no image can be reached without unpacking what is before it.

    Raises:
        DataError: it is one.
    """
    if name.lower().endswith(_PACKED):
        raise DataError(
            f"{name} is compressed, so no image in it can be read alone", "unpack it, or make it a .tar"
        )


def contained_frames(file: str, relative: str, stamp: str, column: str | None) -> Iterator[ListedFrame]:
    """The frames in a tar or Parquet file; no image is read.

    Args:
        file: its path or address.
        relative: its path relative to the archive's root.
        stamp: the file's stamp.
        column: the column of bytes of a Parquet file; None takes the only one.

    Raises:
        ImageError: the file is damaged.
        DataError: which column holds the images is not clear.
        ExtraError: pyarrow is not installed.
    """
    if file.lower().endswith(TAR):
        return _members(file, relative, stamp)
    return _rows(file, relative, stamp, column)


@contextmanager
def _opened(file: str, block: int) -> Iterator[IO[bytes]]:
    if not is_address(file):
        with Path(file).open("rb") as f:
            yield f
        return
    fs, path = store_of(file)
    with fs.open(path, "rb", block_size=block) as f:
        yield f


def _members(file: str, relative: str, stamp: str) -> Iterator[ListedFrame]:
    seen: set[str] = set()
    try:
        with _opened(file, _HEADERS) as f, tarfile.open(fileobj=f, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                name = member.name.removeprefix("./").lstrip("/")
                if not member.isfile() or not is_picture(name.rpartition("/")[2]):
                    continue
                if name in seen:  # a later member of the same name
                    name = f"{name}@{member.offset}"
                seen.add(name)
                yield ListedFrame(
                    id=f"{relative}/{name}",
                    path=f"tar://{name}::{file}",
                    place=Place(file, member.offset_data, member.size),
                    stamp=stamp and f"{stamp}@{member.offset_data}",
                )
    except (tarfile.TarError, OSError) as e:
        raise ImageError(f"{file} is no sound tar file: {e}", "make it again, or leave it out") from e


@contextmanager
def open_parquet(file: str) -> Iterator[Any]:
    """An opened ``pyarrow.parquet.ParquetFile``.

    Raises:
        ExtraError: pyarrow is not installed.
        ImageError: the file is damaged.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as e:
        raise missing_package(e) from None
    with _opened(file, 2**20) as f:
        try:
            opened = parquet.ParquetFile(f)
        except pa.ArrowException as e:
            raise ImageError(f"{file} is no sound Parquet file: {e}", "make it again, or leave it out") from e
        yield opened


def _rows(file: str, relative: str, stamp: str, column: str | None) -> Iterator[ListedFrame]:
    with open_parquet(file) as opened:
        name = _column_of(file, opened.schema_arrow, column)
        sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    number = 0
    for group, rows in enumerate(sizes):
        for row in range(rows):
            yield ListedFrame(
                id=f"{relative}/{number}",
                path=f"{file}#row={number}",
                place=Place(file, row, group=group, column=name),
                stamp=stamp and f"{stamp}@{number}",
            )
            number += 1


def _column_of(file: str, schema: Any, column: str | None) -> str:
    """The column of the images: bytes, or a structure with the field ``bytes`` as that of Hugging Face."""
    from pyarrow import types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            place = kind.get_field_index("bytes")
            return place >= 0 and holds_bytes(kind.field(place).type)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    found = [field.name for field in schema if holds_bytes(field.type)]
    if column is not None and column in found:
        return column
    if column is None and len(found) == 1:
        return str(found[0])
    what = f"no column {column} of bytes" if column is not None else f"{len(found)} columns of bytes"
    raise DataError(
        f"{file} has {what}" + (f": {', '.join(found)}" if found else ""),
        "name the column of the images: --parquet-column NAME" if found else "leave the file out",
    )
