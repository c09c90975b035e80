"""Whether an image file is whole, by its own structure: nothing is decoded, and each step is bounded.

A file that is cut off, or whose end was never written, often decodes: the rest comes out black, grey or as a
copy of the last row, and is judged as if the part looked so. PNG proves each of its bytes by checksums, the
other formats say at least where they end. Formats without compression cannot tell black from what was never
written; ``may_be_unwritten`` says where that is in doubt.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

import numpy as np

from saec.data.images.headers import jpeg, png, read_header, tiff
from saec.data.images.headers.common import (
    MAX_PARTS,
    SPLIT,
    DamagedError,
    Header,
    UnknownFormatError,
    check_parts,
)
from saec.errors import ImageError

AGAIN = "record or copy the image again"

_SHORTEST = 64
"""Bytes below which a file of no known format may be the beginning of one."""

_QUIET = 16
"""Zero bytes at the end of a file from which on it is in doubt whether they were written."""

_UNWRITTEN = 64
"""Zero bytes at the end of coded pixels that no coder writes: WebP's wrote 30 at most, for flat pictures."""

_PAGE = 4096
_STRIPS = 1_000_000
"""Strips or tiles of a page; one for each row is the most that programs write."""


def check_whole(data: bytes, header: Header, name: str) -> None:
    """Refuse a file that ends before its picture does.

    Args:
        data: the whole file.
        header: what ``read_header`` says of it.
        name: what to call the image in errors.

    Raises:
        ImageError: it is cut off, its end was never written, or a checksum is wrong.
    """
    check = _CHECKS.get(header.format)
    if check is None:
        return
    try:
        why = check(data, header, name)
    except (struct.error, IndexError, OverflowError):
        why = "it is cut off"
    if why:
        raise DamagedError(f"{name}: damaged image: {why}", AGAIN)


def why_torn(data: bytes, name: str) -> str | None:
    """Why a file may still be on its way: one sentence; None for one that is whole, or of which more bytes
    would make no picture either (another format, too large)."""
    if not data:
        return f"{name}: the file is empty"
    try:
        check_whole(data, read_header(data, name), name)
    except DamagedError as e:
        return e.what
    except UnknownFormatError:
        begun = len(data) < _SHORTEST or not any(data[:8])
        return f"{name}: the file holds only its beginning, or zeros" if begun else None
    except ImageError:
        return None
    return None


def may_be_unwritten(data: bytes) -> bool:
    """Whether a file that is whole by its structure has zeros where pixels should be: at its end, or for a
    page of the disk. That is black, or room that was set aside and not yet filled. No PNG is in doubt."""
    if data.startswith(png.MAGIC):
        return False
    if not any(data[-_QUIET:]):
        return True
    pages = np.frombuffer(data, np.uint8, len(data) // _PAGE * _PAGE).reshape(-1, _PAGE)
    maybe = np.flatnonzero(
        ~pages[:, :: _PAGE // 8].any(axis=1)
    )  # a glance first: few pages are looked at whole
    return any(not pages[page].any() for page in maybe)


def _png(data: bytes, header: Header, name: str) -> str | None:
    at = len(png.MAGIC)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        (crc,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(memoryview(data)[at + 4 : end]) != crc:
            return f"the checksum of its chunk {kind.decode('ascii', 'replace')!r} is wrong"
        at = end + 4
        if kind == b"IEND":
            if data.startswith(png.MAGIC, at):
                raise ImageError(f"{name}: the file holds two PNGs, one after the other", SPLIT)
            return None
    return "its end is missing"


def _jpeg(data: bytes, header: Header, name: str) -> str | None:
    return None if jpeg.has_end(data, name) else "its end is missing"


def _bmp(data: bytes, header: Header, name: str) -> str | None:
    start, kind = struct.unpack_from("<II", data, 10)
    bits, packing = struct.unpack_from("<H", data, 28 if kind >= 40 else 24)[0], 0
    if kind >= 40:
        (packing,) = struct.unpack_from("<I", data, 30)
    if packing in (1, 2):  # run lengths, which end with a mark
        return None if b"\0\1" in data[-8:] else "its end is missing"
    need = start + (header.width * bits + 31) // 32 * 4 * header.height
    spare = (header.width * bits + 31) // 32 * 4 - (
        header.width * bits + 7
    ) // 8  # some leave the last gap out
    return None if len(data) >= need - spare else _short(len(data), need)


def _tiff(data: bytes, header: Header, name: str) -> str | None:
    for page in tiff.read_strips(data):
        if page.tables is not None and not page.tables.endswith(b"\xff\xd9"):
            return "its tables were never written"
        check_parts(name, len(page.starts), "strips in a TIFF", _STRIPS)
        if len(page.starts) == 0:
            continue
        if (end := int((page.starts + page.sizes).max())) > len(data):
            return _short(len(data), end)
        last = np.argsort(page.starts, kind="stable")[-MAX_PARTS:]
        for start, size in zip(page.starts[last].tolist(), page.sizes[last].tolist(), strict=True):
            if page.packed and size and not any(data[start : start + min(size, _UNWRITTEN)]):
                return "a strip of its pixels was never written"
            if page.jpeg and size and b"\xff\xd9" not in data[max(start, start + size - 16) : start + size]:
                return "a strip of its pixels has no end"
    return None


def _webp(data: bytes, header: Header, name: str) -> str | None:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        return _short(len(data), size + 8)
    at = 12
    while at + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind in (b"VP8 ", b"VP8L"):
            return _quiet(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return "it holds no pixels"


def _avif(data: bytes, header: Header, name: str) -> str | None:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        length = length or len(data) - at
        if length < 8 or at + length > len(data):
            return "it is cut off"
        if kind == b"mdat":
            return _quiet(data[at + 8 : at + length])
        at += length
    return "it holds no pixels"


def _gif(data: bytes, header: Header, name: str) -> str | None:
    return None if b"\x3b" in data.rstrip(b"\0")[-1:] else "its end is missing"


def _jpeg2000(data: bytes, header: Header, name: str) -> str | None:
    return None if b"\xff\xd9" in data else "its end is missing"


_NETPBM = re.compile(rb"P([456])(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+")
_TOP = re.compile(rb"(?:\s|#[^\n]*\n)+(\d+)")


def _netpbm(data: bytes, header: Header, name: str) -> str | None:
    found = _NETPBM.match(data[:65536])
    if found is None:
        return None
    end, top = found.end(), 1
    if found[1] != b"4":
        value = _TOP.match(data, end)
        if value is None:
            return "it is cut off"
        end, top = value.end(), int(value[1])
    row = (header.width + 7) // 8 if found[1] == b"4" else header.width * (3 if found[1] == b"6" else 1)
    need = end + 1 + row * header.height * (2 if top > 255 else 1)
    return None if len(data) >= need else _short(len(data), need)


def _quiet(coded: bytes) -> str | None:
    """Coded pixels do not end in zeros; a rest that was never written does."""
    return None if any(coded[-_UNWRITTEN:]) else "the end of its pixels was never written"


def _short(got: int, need: int) -> str:
    return f"it has {got} bytes but needs {need}"


_CHECKS: dict[str, Callable[[bytes, Header, str], str | None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "BMP": _bmp,
    "TIFF": _tiff,
    "WEBP": _webp,
    "AVIF": _avif,
    "GIF": _gif,
    "JPEG2000": _jpeg2000,
    "PPM": _netpbm,
}
