"""What an archive holds, listed as a stream: memory does not grow with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from saec.bulk.archive.containers import check_unpacked, contained_frames, is_container
from saec.bulk.archive.listed_frames import ListedFrame, Place, is_address
from saec.bulk.archive.object_stores import stored_files
from saec.data.images.file_names import is_picture, passed_over
from saec.errors import DataError, ImageError


def list_archive(archive: str, column: str | None = None) -> Iterator[ListedFrame]:
    """The frames of an archive, in the order in which the disk or the store tells them.

    An image is a frame. A tar file holds one in each member that is an image, a Parquet file one in each row.
    A file of these that is damaged is a frame itself, with its fault.

    Args:
        archive: a file, a folder, an address (``s3://bucket/photos``), or an address with a pattern.
        column: the column of bytes of Parquet files; None takes the only one.

    Raises:
        DataError: nothing is there, it cannot be listed, or it is not clear which column holds the images.
        ConfigError, ExtraError: see ``object_stores.store_of``.
    """
    files = stored_files(archive) if is_address(archive) else _local_files(Path(archive).absolute())
    for file, relative, stamp in files:
        name = relative.rpartition("/")[2]
        if passed_over(name):
            continue
        check_unpacked(name)
        if is_container(name):
            try:
                yield from contained_frames(file, relative, stamp, column)
            except ImageError as e:  # the frames before the damage are frames; the file is one more
                yield ListedFrame(id=relative, path=file, place=Place(file), stamp=stamp, fault=str(e))
        elif is_picture(name):
            yield ListedFrame(id=relative, path=file, place=Place(file), stamp=stamp)


def archive_root(archive: str) -> str:
    """The archive as a run's record names it: an address as it is, a path in full."""
    return archive if is_address(archive) else str(Path(archive).absolute())


def _local_files(root: Path) -> Iterator[tuple[str, str, str]]:
    """As ``stored_files``, on this machine's disks; links are followed, links back are passed over."""
    if root.is_file():
        status = root.stat()
        yield str(root), root.name, f"{status.st_size}-{status.st_mtime_ns}"
        return
    if not root.exists():
        raise DataError(f"{root} does not exist", "check the path")
    yield from _walked(root, "", frozenset())


def _walked(folder: Path, relative: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, str, str]]:
    try:
        status = folder.stat()
        entries = os.scandir(folder)
    except OSError as e:
        raise DataError(f"{folder}: {e.strerror or e}", "check the permissions of the folder") from e
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with entries:
        for entry in entries:
            name = relative + entry.name
            if passed_over(entry.name):
                continue
            if _is_folder(entry):
                yield from _walked(Path(entry.path), f"{name}/", above | {here})
            else:
                yield entry.path, name, _stamp(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        status = entry.stat()
    except OSError:  # a broken link: reading it fails aloud
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"
