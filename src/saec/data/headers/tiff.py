"""TIFF and BigTIFF: the chain of pages and their tags, read without following anything twice."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from saec.data.headers.common import (
    MAX_PAGES,
    MAX_SAMPLE_BYTES,
    Header,
    check_size,
    damaged,
    too_many,
)

MAX_TAGS = 1000
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_KIND, _WIDTH, _HEIGHT, _BITS, _SAMPLES = 254, 256, 257, 258, 277
_NUMBERS = {3: "H", 4: "I", 16: "Q"}
_NO_PICTURE = 0b101
"""Bits of a page's kind: a smaller copy, or a mask."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers stand in the file: byte order, and the widths of BigTIFF or of TIFF."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def read_tiff(data: bytes, name: str) -> Header:
    """Header of a TIFF; smaller copies and masks do not count as frames.

    Raises:
        ImageError: pages or tags beyond the limits, a chain that leads back into itself, no size.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    form = _Form(order, big)
    (at,) = struct.unpack_from(form.offset, data, 8 if big else 4)
    first: dict[int, tuple[int, ...]] | None = None
    seen: set[int] = set()
    frames = held = 0
    while at:
        if at in seen:
            raise damaged(name, "its pages lead back into themselves")
        seen.add(at)
        if len(seen) > MAX_PAGES:
            raise too_many(name, "pages in a TIFF", MAX_PAGES)
        tags, size, at = _page(data, at, form, name)
        held += size
        if held > 2 * len(data):
            raise damaged(name, "its tags say that they hold more than the file")
        frames += not tags.get(_KIND, (0,))[0] & _NO_PICTURE
        first = tags if first is None else first
    return _header(first or {}, max(1, frames), name)


def _page(data: bytes, at: int, form: _Form, name: str) -> tuple[dict[int, tuple[int, ...]], int, int]:
    """A page's tags that matter here, the bytes that all of its tags hold, and where the next page is."""
    (count,) = struct.unpack_from(form.count, data, at)
    if count > MAX_TAGS:
        raise too_many(name, "tags of a page of a TIFF", MAX_TAGS)
    at += struct.calcsize(form.count)
    tags, held = {}, 0
    for _ in range(count):
        tag, kind, number, value = struct.unpack_from(form.entry, data, at)
        size = _SIZES.get(kind, 1) * number
        held += size
        if tag in (_KIND, _WIDTH, _HEIGHT, _BITS, _SAMPLES) and kind in _NUMBERS and 0 < number <= 256:
            letters = f"{form.order}{number}{_NUMBERS[kind]}"
            inside = size <= len(value)
            where = (value, 0) if inside else (data, struct.unpack(form.offset, value)[0])
            tags[tag] = struct.unpack_from(letters, *where)
        at += struct.calcsize(form.entry)
    # Some programs leave out the pointer to a next page where there is none.
    after = (
        struct.unpack_from(form.offset, data, at)[0] if at + struct.calcsize(form.offset) <= len(data) else 0
    )
    return tags, held, after


def _header(tags: dict[int, tuple[int, ...]], frames: int, name: str) -> Header:
    width, height = tags.get(_WIDTH, (0,))[0], tags.get(_HEIGHT, (0,))[0]
    check_size(width, height, name)
    bits, samples = max(tags.get(_BITS, (1,))), tags.get(_SAMPLES, (1,))[0]
    if width * height * samples * max(bits, 8) // 8 > MAX_SAMPLE_BYTES:
        raise damaged(name, f"{samples} channels of {bits} bit in {width} x {height} pixels")
    # Pillow would cut more than 8 bits to 8 for colour.
    return Header("TIFF", width, height, frames=frames, opencv=bits > 8)
