"""AVIF and JPEG 2000: files of boxes within boxes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from saec.data.images.headers.common import MAX_SAMPLE_BYTES, Header, check_parts, check_size, damaged

CODESTREAM = b"\xff\x4f\xff\x51"
_INSIDE = (b"meta", b"iprp", b"ipco", b"jp2h")


def read_avif(data: bytes, name: str) -> Header:
    """Header of an AVIF: the largest of the sizes that its items have.

    Raises:
        ImageError: no size, one beyond the limit, or too many boxes.
    """
    sizes: list[tuple[int, int]] = []
    for kind, at, end in _boxes(data, 0, len(data), name):
        if kind == b"ispe" and end - at >= 12:
            width, height = struct.unpack_from(">II", data, at + 4)
            check_size(width, height, name)
            sizes.append((width, height))
    if not sizes:
        raise damaged(name, "an AVIF without a size")
    return Header("AVIF", *max(sizes, key=lambda size: size[0] * size[1]))


def read_jpeg2000(data: bytes, name: str) -> Header:
    """Header of a JPEG 2000, of its file format or of the bare codestream.

    Raises:
        ImageError: no codestream, or a size beyond the limits.
    """
    at = 0
    if data[:4] != CODESTREAM:
        found = [at for kind, at, _ in _boxes(data, 0, len(data), name) if kind == b"jp2c"]
        if not found or data[found[0] : found[0] + 4] != CODESTREAM:
            raise damaged(name, "a JPEG 2000 without pixels")
        at = found[0]
    right, low, left, top = struct.unpack_from(">IIII", data, at + 8)
    (components,) = struct.unpack_from(">H", data, at + 40)
    width, height = right - left, low - top
    check_size(width, height, name)
    if width * height * components > MAX_SAMPLE_BYTES // 2:
        raise damaged(name, f"{components} channels in {width} x {height} pixels")
    return Header("JPEG2000", width, height)


def _boxes(data: bytes, at: int, end: int, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the contents of every box that may say something of the size."""
    waiting, count = [(at, end)], 0
    while waiting:
        at, end = waiting.pop()
        while at + 8 <= end:
            length, kind = struct.unpack_from(">I4s", data, at)
            body = at + 8
            if length == 1:
                (length,) = struct.unpack_from(">Q", data, body)
                body += 8
            after = end if length == 0 else at + length
            if after < body or after > end:
                return
            yield kind, body, after
            count += 1
            check_parts(name, count, "boxes")
            if kind in _INSIDE:
                waiting.append((body + 4 if kind == b"meta" else body, after))
            at = after
