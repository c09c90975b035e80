"""JPEG: the frame header, and how many scans follow it."""

from __future__ import annotations

import re
import struct
from itertools import islice

from saec.data.images.headers.common import MAX_SCANS, Header, check_parts, check_size, damaged, too_many

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_AFTER_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""In a scan's own bytes 0xFF is followed by 0 or a restart marker alone. More of them may stand before a
marker; with one, ``re`` looks for it at the speed of memory."""

_MAY_BE_SCAN = re.compile(rb"\xff\xda")

_JUNK = 65536
"""Bytes between two segments that belong to neither; decoders skip them one by one."""

_SCAN, _END = 0xDA, 0xD9


def read_jpeg(data: bytes, name: str) -> Header:
    """Header of a JPEG.

    Raises:
        ImageError: no frame header, a size or a number of scans or segments beyond the limits.
    """
    width, height, channels, at = _frame_header(data, name)
    check_size(width, height, name)
    # Two bytes that can stand for a scan are counted at the speed of memory; only where there are too
    # many, as in a file with a film behind its picture, the segments are walked through.
    if sum(1 for _ in islice(_MAY_BE_SCAN.finditer(data), MAX_SCANS + 1)) > MAX_SCANS:
        _check_scans(data, at, name)
    # Without the end marker the file is truncated or has a tail: Pillow tells which. CMYK is its, too.
    opencv = channels in (1, 3) and b"\xff\xd9" in data[-64:]
    return Header("JPEG", width, height, opencv=opencv)


def has_end(data: bytes, name: str) -> bool:
    """Whether an end marker follows the scans; thumbnails and previews stand in segments and do not count.

    Raises:
        ImageError: more segments than any program writes.
    """
    at, segments, marker = 2, 0, 0
    while marker != _SCAN:
        marker, body = _next(data, at, name)
        alone = 0xD0 <= marker <= 0xD8 or marker == 0x01
        at = body + (0 if alone else _length(data, body))
        segments += 1
        check_parts(name, segments, "segments")
    while found := _AFTER_SCAN.search(data, at):
        if found[1][0] == _END:
            return True
        at = found.end() + _length(data, found.end())
        segments += 1
        check_parts(name, segments, "segments")
    return False


def _frame_header(data: bytes, name: str) -> tuple[int, int, int, int]:
    """Width, height, channels, and where the next segment begins."""
    at, segments = 2, 0
    while True:
        marker, body = _next(data, at, name)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, body + 3)
            return width, height, channels, body + _length(data, body)
        if marker in (_SCAN, _END):
            raise damaged(name, "a JPEG without a frame header")
        at = body + (0 if 0xD0 <= marker <= 0xD8 or marker == 0x01 else _length(data, body))
        segments += 1
        check_parts(name, segments, "segments")


def _check_scans(data: bytes, at: int, name: str) -> None:
    scans = segments = 0
    while found := _AFTER_SCAN.search(data, at):
        marker, body = found[1][0], found.end()
        if marker == _END:
            return
        scans += marker == _SCAN
        segments += 1
        if scans > MAX_SCANS:
            raise too_many(name, "scans in a JPEG", MAX_SCANS)
        check_parts(name, segments, "segments")
        at = body + (_length(data, body) if body + 2 <= len(data) else 0)


def _next(data: bytes, at: int, name: str) -> tuple[int, int]:
    """The next marker and where its segment's length stands."""
    found = _MARKER.search(data, at)
    if found is None or found.start() - at > _JUNK:
        raise damaged(name, "a JPEG without a frame header")
    return found[1][0], found.end()


def _length(data: bytes, body: int) -> int:
    return max(2, int(struct.unpack_from(">H", data, body)[0]))
