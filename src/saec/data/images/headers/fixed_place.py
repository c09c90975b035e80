"""Formats whose size stands at a fixed place."""

from __future__ import annotations

import struct

from saec.data.images.headers.common import Header, check_parts, check_size, damaged


def read_bmp(data: bytes, name: str) -> Header:
    """Header of a Windows or OS/2 bitmap.

    Raises:
        ImageError: a size beyond the limit.
    """
    kind, width, height = _bitmap(data, 14)
    check_size(width, height, name)
    return Header("BMP", width, height, opencv=kind >= 40 and len(data) > 54)


def read_dib(data: bytes, name: str) -> Header:
    """Header of such a bitmap without the head of a file.

    Raises:
        ImageError: a size beyond the limit.
    """
    _, width, height = _bitmap(data, 0)
    return _checked("DIB", width, height, name)


def _bitmap(data: bytes, at: int) -> tuple[int, int, int]:
    """Kind (the header's own length), width, and height, which is negative where rows come from the top."""
    (kind,) = struct.unpack_from("<I", data, at)
    width, height = struct.unpack_from("<ii" if kind >= 40 else "<HH", data, at + 4)
    return kind, width, abs(height)


def read_psd(data: bytes, name: str) -> Header:
    """Header of a Photoshop file; what is read is the picture of all its layers.

    Raises:
        ImageError: a size or a number of resources beyond the limits.
    """
    height, width = struct.unpack_from(">II", data, 14)
    check_size(width, height, name)
    (colours,) = struct.unpack_from(">I", data, 26)
    at = 30 + colours
    (length,) = struct.unpack_from(">I", data, at)
    end, count, at = at + 4 + length, 0, at + 4
    while at < end:
        named = data[at + 6]
        at += 7 + named + (1 - named % 2)
        (size,) = struct.unpack_from(">I", data, at)
        at, count = at + 4 + size + size % 2, count + 1
        check_parts(name, count, "resources in a Photoshop file")
    return Header("PSD", width, height)


def read_pcx(data: bytes, name: str) -> Header:
    """Header of a PCX.

    Raises:
        ImageError: a size beyond the limit.
    """
    left, top, right, low = struct.unpack_from("<HHHH", data, 4)
    return _checked("PCX", right - left + 1, low - top + 1, name)


def read_tga(data: bytes, name: str) -> Header:
    """Header of a Targa, which has no mark of its own: it must make sense as one.

    Raises:
        ImageError: it does not, or a size beyond the limit.
    """
    width, height = struct.unpack_from("<HH", data, 12)
    return _checked("TGA", width, height, name)


def is_tga(data: bytes) -> bool:
    """Whether the bytes make sense as a Targa's header."""
    return (
        len(data) > 18
        and data[1] in (0, 1)
        and data[2] in (1, 2, 3, 9, 10, 11)
        and data[16] in (1, 8, 16, 24, 32)
        and (data[1] == 0 or data[7] in (16, 24, 32))
    )


def read_fixed(data: bytes, name: str) -> Header:
    """Header of QOI, DDS, SGI, Sun raster or Microsoft Paint.

    Raises:
        ImageError: a size beyond the limit.
    """
    for magic, kind, letters, at, swapped in _FIXED:
        if data.startswith(magic):
            first, second = struct.unpack_from(letters, data, at)
            return _checked(kind, *((second, first) if swapped else (first, second)), name)
    raise damaged(name, "an unknown header")


_FIXED = (
    (b"qoif", "QOI", ">II", 4, False),
    (b"DDS ", "DDS", "<II", 12, True),
    (b"\x01\xda", "SGI", ">HH", 6, False),
    (b"\x59\xa6\x6a\x95", "SUN", ">II", 4, False),
    (b"DanM", "MSP", "<HH", 4, False),
    (b"LinS", "MSP", "<HH", 4, False),
)
FIXED = tuple(magic for magic, *_ in _FIXED)


def _checked(kind: str, width: int, height: int, name: str) -> Header:
    check_size(width, height, name)
    return Header(kind, width, height)
