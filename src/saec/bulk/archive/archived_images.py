"""The image behind a verdict of a bulk run, read again by the verdict's path."""

from __future__ import annotations

from saec.bulk.archive.containers import contained_frames
from saec.bulk.archive.listed_frames import Place, is_address
from saec.bulk.archive.place_reader import PlaceReader
from saec.data.images.pixels import decode_image
from saec.errors import ImageError
from saec.types import Image


def archived_image(path: str, *, bits: int, column: str | None = None) -> Image:
    """Read and decode a frame. In a tar or Parquet file it is looked for from the beginning.

    Args:
        path: the path of a verdict (``ListedFrame``).
        bits: significant bits of 16-bit images.
        column: the column of the images in a Parquet file.

    Raises:
        ImageError: it has gone, or cannot be decoded.
        DataError, ConfigError, ExtraError: its container or its store cannot be read.
    """
    try:
        data = PlaceReader().read(_place(path, column))
    except OSError as e:
        raise ImageError(f"{path}: {e.strerror or e}", "check that the file can be read") from e
    return decode_image(data, bits=bits, name=path)


def _place(path: str, column: str | None) -> Place:
    file = _container(path)
    if file == path:
        return Place(path)
    for frame in contained_frames(file, "", "", column):
        if frame.path == path:
            return frame.place
    raise ImageError(f"{path} is no longer there", "restore the archive")


def _container(path: str) -> str:
    """The tar or Parquet file in which a frame lies, or the path itself."""
    if path.startswith("tar://") and "::" in path:
        return path.split("::", 1)[1]
    file, mark, _ = path.rpartition("#row=")
    return file if mark and (is_address(path) or file.startswith("/")) else path
