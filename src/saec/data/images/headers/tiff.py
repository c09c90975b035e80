"""TIFF and BigTIFF: the chain of pages and their tags, read without following anything twice."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.data.images.headers.common import (
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
_PRIVATE = 1000
"""Tags from here on are programs' own; what they point to is not needed."""

_PACKING, _TABLES = 259, 347
_STRIPS = ((273, 279), (324, 325))
"""Tags of where the pixels of strips, or of tiles, stand, and of how many bytes they have."""

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
            raise damaged(name, "its pages refer to themselves")
        seen.add(at)
        if len(seen) > MAX_PAGES:
            raise too_many(name, "pages in a TIFF", MAX_PAGES)
        tags, size, at = _page(data, at, form, name)
        held += size
        if held > 2 * len(data):
            raise damaged(name, "its tags claim more data than the file holds")
        frames += not tags.get(_KIND, (0,))[0] & _NO_PICTURE
        first = tags if first is None else first
    return _header(first or {}, max(1, frames), name)


@dataclass(frozen=True, slots=True)
class Strips:
    """Where a page's pixels stand.

    Attributes:
        starts, sizes: the offset and length of each strip or tile, bytes.
        packed: they are compressed; ``jpeg``: as JPEG.
        tables: JPEG's tables, where the page's strips share some.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    packed: bool
    jpeg: bool
    tables: bytes | None


def read_strips(data: bytes) -> Iterator[Strips]:
    """The strips, or tiles, of each page of a TIFF that ``read_tiff`` has found sound.

    Raises:
        struct.error: a page or a list of strips is cut off.
    """
    order = "<" if data[:2] == b"II" else ">"
    form = _Form(order, struct.unpack_from(order + "H", data, 2)[0] == 43)
    (at,) = struct.unpack_from(form.offset, data, 8 if form.big else 4)
    while at:
        (count,) = struct.unpack_from(form.count, data, at)
        begin, size = at + struct.calcsize(form.count), struct.calcsize(form.entry)
        entries = struct.iter_unpack(form.entry, data[begin : begin + count * size])
        tags = {tag: (kind, number, value) for tag, kind, number, value in entries}
        for tag, entry in tags.items():
            if tag < _PRIVATE:
                _held(data, entry, form)
        packing = _numbers(data, tags.get(_PACKING), form)[:1].tolist()
        tables = _held(data, tags[_TABLES], form) if _TABLES in tags else None
        for tag, other in _STRIPS:
            starts, sizes = _numbers(data, tags.get(tag), form), _numbers(data, tags.get(other), form)
            both = min(len(starts), len(sizes))
            yield Strips(starts[:both], sizes[:both], packing not in ([], [1]), packing == [7], tables)
        after = begin + count * size
        more = after + struct.calcsize(form.offset) <= len(data)
        at = struct.unpack_from(form.offset, data, after)[0] if more else 0


def _numbers(data: bytes, entry: tuple[int, int, bytes] | None, form: _Form) -> NDArray[np.int64]:
    """The values of a tag; none where it is missing or holds no whole numbers."""
    if entry is None or entry[0] not in _NUMBERS:
        return np.zeros(0, np.int64)
    letter = {"H": "u2", "I": "u4", "Q": "i8"}[_NUMBERS[entry[0]]]
    return np.frombuffer(_held(data, entry, form), form.order + letter).astype(np.int64)


def _held(data: bytes, entry: tuple[int, int, bytes], form: _Form) -> bytes:
    """The bytes that a tag holds, in the entry itself or elsewhere in the file."""
    kind, number, value = entry
    size = _SIZES.get(kind, 1) * number
    source, at = (value, 0) if size <= len(value) else (data, struct.unpack(form.offset, value)[0])
    if at + size > len(source):
        raise struct.error("the content of a tag is cut off")
    return source[at : at + size]


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
        raise damaged(name, f"it has {samples} channels of {bits} bit in {width} x {height} pixels")
    # Pillow would cut more than 8 bits to 8 for colour.
    return Header("TIFF", width, height, frames=frames, opencv=bits > 8)
