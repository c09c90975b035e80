"""The run-length code in which Label Studio keeps what was painted by brush (thi.ng/rle-pack).

A stream of bits: 32 for the number of values, 5 for the bits of a value less 1, four times 4 for the bits of
a length less 1. Then runs: one bit says whether the run repeats one value, two choose how many bits its
length less 1 has; the length and the value or values follow. The values are RGBA bytes, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saec.errors import ReviewError
from saec.station.review.place_masks import PlaceMask

_MOST = 4 * 200_000_000
"""Values of the largest picture that is read."""

_BRUSH_AGAIN = "export the task again from Label Studio"


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, count: int) -> int:
        """The next bits as a number."""
        first, last = self._at // 8, (self._at + count + 7) // 8
        if last > len(self._data):
            raise ReviewError("a brush mark ends too soon", _BRUSH_AGAIN)
        window = int.from_bytes(self._data[first:last])
        self._at += count
        return (window >> (8 * last - self._at)) & ((1 << count) - 1)


def brush_mask(code: Sequence[int], width: int, height: int) -> PlaceMask:
    """The pixels that a brush has painted, H x W.

    Args:
        code: the bytes, as numbers from 0 to 255.
        width, height: the picture's, in pixels.

    Raises:
        ReviewError: the code is damaged, or of another picture.
    """
    try:
        bits = _Bits(bytes(code))
    except ValueError as e:
        raise ReviewError("a brush mark holds a number that is no byte", _BRUSH_AGAIN) from e
    count, size = bits.read(32), bits.read(5) + 1
    if count != 4 * width * height or count > _MOST:
        raise ReviewError(f"a brush mark does not fit a picture of {width} x {height} pixels", _BRUSH_AGAIN)
    lengths = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        repeats = bits.read(1)
        end = at + 1 + bits.read(lengths[bits.read(2)])
        if end > count:
            raise ReviewError("a brush mark is longer than its picture", _BRUSH_AGAIN)
        if repeats:
            values[at:end] = min(255, bits.read(size))
        else:
            values[at:end] = [min(255, bits.read(size)) for _ in range(end - at)]
        at = end
    mask: PlaceMask = values.reshape(height, width, 4)[:, :, 3] > 0
    return mask
