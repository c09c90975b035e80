"""PNG, and what holds PNGs: icons."""

from __future__ import annotations

import struct

from saec.data.images.headers.common import MAX_PAGES, Header, check_parts, check_size, damaged

MAGIC = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IDAT", b"fdAT")
_SMALL = 1024
"""Pixels come in pieces of at least so many bytes on average, however the program cuts them."""


def read_png(data: bytes, name: str) -> Header:
    """Header of a PNG; an animated one says how many frames it has.

    Raises:
        ImageError: no header, a size beyond the limit, or cut into more chunks than any program writes.
    """
    if data[12:16] != b"IHDR":
        raise damaged(name, "a PNG without a header")
    width, height = struct.unpack_from(">II", data, 16)
    check_size(width, height, name)
    frames, animated, pieces, others, at = 1, False, 0, 0, 33
    spare = len(data) // _SMALL
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            break
        if kind == bytes(4):
            raise damaged(name, "its end was never written")
        if kind == b"acTL" and not pieces:
            frames, animated = struct.unpack_from(">I", data, at + 8)[0], True
        if kind in _PIXELS:
            pieces += 1
        else:
            others += 1
        check_parts(name, others, "chunks in a PNG")
        check_parts(name, pieces - spare, "pieces of pixels in a PNG")
        at += 12 + length
    return Header("PNG", width, height, frames=frames, opencv=not animated and len(data) > 33)


def read_ico(data: bytes, name: str) -> Header:
    """Header of a Windows icon: its largest picture, each looked at by its own header.

    Raises:
        ImageError: too many pictures, or one of them is beyond the limits.
    """
    (count,) = struct.unpack_from("<H", data, 4)
    check_parts(name, count, "pictures in an icon", MAX_PAGES)
    largest = (0, 0)
    for i in range(count):
        width, height = data[6 + 16 * i] or 256, data[7 + 16 * i] or 256
        (at,) = struct.unpack_from("<I", data, 6 + 16 * i + 12)
        if data[at : at + 8] == MAGIC:
            inner = read_png(data[at:], name)
            width, height = inner.width, inner.height
        else:
            width, height = struct.unpack_from("<ii", data, at + 4)
            width, height = abs(width), abs(height)
            check_size(width, height, name)
        largest = max(largest, (width, height), key=lambda size: size[0] * size[1])
    check_size(*largest, name)  # an icon may hold no picture at all
    return Header("ICO", *largest)


def read_icns(data: bytes, name: str) -> Header:
    """Header of an Apple icon. Its pictures are at most 1,024 pixels wide, or PNGs that are looked at.

    Raises:
        ImageError: too many pictures, or one of them is beyond the limits.
    """
    at, count, largest = 8, 0, (0, 0)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at + 4)
        if length < 8:
            raise damaged(name, "a block without a length")
        if data[at + 8 : at + 16] == MAGIC:
            inner = read_png(data[at + 8 : at + length], name)
            largest = max(largest, (inner.width, inner.height), key=lambda size: size[0] * size[1])
        elif data[at + 8 : at + 12] in (b"\xff\x4f\xff\x51", b"\0\0\0\x0c"):
            raise damaged(name, "JPEG 2000 in an icon")
        at, count = at + length, count + 1
        check_parts(name, count, "pictures in an icon", MAX_PAGES)
    return Header("ICNS", *(largest if largest[0] else (1024, 1024)))
