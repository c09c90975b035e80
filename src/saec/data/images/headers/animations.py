"""GIF and WebP: their frames, counted without decoding them."""

from __future__ import annotations

import struct

from saec.data.images.headers.common import (
    MAX_PAGES,
    MAX_PARTS,
    Header,
    check_parts,
    check_size,
    damaged,
    too_many,
)

_SMALL = 16
"""Blocks hold at least so many bytes on average, however the program cuts them."""


def read_gif(data: bytes, name: str) -> Header:
    """Header of a GIF.

    Raises:
        ImageError: a size, a number of frames or of blocks beyond the limits.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    check_size(width, height, name)
    at, frames, blocks, most = 13 + _table(data[10]), 0, 0, MAX_PARTS + len(data) // _SMALL
    while at < len(data) and data[at] in b"\x21\x2c":
        if data[at] == 0x2C:
            left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
            check_size(max(width, left + wide), max(height, top + high), name)
            frames += 1
            if frames > MAX_PAGES:
                raise too_many(name, "frames", MAX_PAGES)
            at += 11 + _table(data[at + 9])
        else:
            at += 2
        at, passed = _pass_blocks(data, at, most - blocks)
        blocks += passed
        check_parts(name, blocks, "blocks in a GIF", most)
    return Header("GIF", width, height, frames=max(1, frames))


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _pass_blocks(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Where a chain of blocks ends, and how many they were; it is followed no further than past ``most``."""
    count, end = 0, len(data)
    while at < end and data[at] and count <= most:
        at += data[at] + 1
        count += 1
    return at + 1, count


def read_webp(data: bytes, name: str) -> Header:
    """Header of a WebP.

    Raises:
        ImageError: no size, one beyond the limit, or too many frames or chunks.
    """
    size, frames, chunks, at = (0, 0), 0, 0, 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        found = _webp_size(data, kind, at + 8)
        if found is not None:
            check_size(*found, name)
            size = size if size[0] else found
        frames += kind == b"ANMF"
        chunks += 1
        check_parts(name, chunks, "chunks in a WebP")
        at += 8 + length + length % 2
    if not size[0]:
        raise damaged(name, "a WebP without a size")
    return Header("WEBP", *size, frames=max(1, frames))


def _webp_size(data: bytes, kind: bytes, at: int) -> tuple[int, int] | None:
    if kind == b"VP8X":
        wide, high = data[at + 4 : at + 7], data[at + 7 : at + 10]
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, at + 1)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return None
