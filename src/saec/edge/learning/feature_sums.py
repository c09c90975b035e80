"""Sums of the goods' features: whole numbers, so that they are exact and the same in any order.

Features are kept as int8 in steps of each channel's own (``Steps``). From the sums over any set of goods
follow its means and covariances; the sums over a set without some goods are a subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.int8]
"""Features of frames in steps of their channels: n x C x h x w, or C x h x w of one frame."""

STEPS_IN_DEVIATION = 12.0
"""Steps in a standard deviation of a channel over the first goods, about; int8 holds 7 to 15 deviations."""

LARGEST = 127
"""Largest value of a feature, in steps."""

_EXACT = 1024
"""Products of features that float32 sums exactly: 1024 x 127^2 stays below 2^24."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What one step of each channel is worth, and where it is counted from.

    Attributes:
        centre, size: C, float32, in the units of the features.
    """

    centre: NDArray[np.float32]
    size: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Steps:
        """The steps for a line whose first goods have these features, n x C x h x w.

        Sizes are powers of two, and centres multiples of eight steps: other first goods of the same product
        then give the same steps in nearly all channels.
        """
        deviation = features.std(axis=(0, 2, 3), dtype=np.float64)
        floor = max(float(deviation.max()), 1e-6) * 1e-6
        size = np.exp2(np.rint(np.log2(np.maximum(deviation, floor) / STEPS_IN_DEVIATION)))
        centre = np.rint(features.mean(axis=(0, 2, 3), dtype=np.float64) / (8 * size)) * (8 * size)
        return cls(centre.astype(np.float32), size.astype(np.float32))

    def whole(self, features: NDArray[np.float32]) -> Features:
        """Features (... x C x h x w) in whole steps; what lies beyond int8 is cut."""
        scaled = np.rint((features - self.centre[:, None, None]) / self.size[:, None, None])
        whole: Features = np.clip(scaled, -LARGEST, LARGEST).astype(np.int8)
        return whole

    def real(self, features: Features) -> NDArray[np.float32]:
        """Whole steps back in the units of the features."""
        return features * self.size[:, None, None] + self.centre[:, None, None]


@dataclass(slots=True, eq=False)
class FeatureSums:
    """Sums over the features of goods, in steps.

    Attributes:
        block: height and width in cells of the blocks that share a covariance.
        count: goods.
        first: C x h x w, int64: the sum of the features at each cell.
        second: P x C x C, int64: the sum of outer products over the goods and cells of each block.
    """

    block: tuple[int, int]
    count: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @classmethod
    def empty(cls, channels: int, height: int, width: int, block: tuple[int, int]) -> FeatureSums:
        blocks = (height // block[0]) * (width // block[1])
        first = np.zeros((channels, height, width), np.int64)
        return cls(block, 0, first, np.zeros((blocks, channels, channels), np.int64))

    def add(self, features: Features) -> None:
        """Add goods, n x C x h x w."""
        self._change(features, 1)

    def subtract(self, features: Features) -> None:
        """Take goods out that were added, n x C x h x w."""
        self._change(features, -1)

    def without(self, features: Features) -> FeatureSums:
        """The sums without these goods, n x C x h x w."""
        rest = FeatureSums(self.block, self.count, self.first.copy(), self.second.copy())
        rest.subtract(features)
        return rest

    def _change(self, features: Features, sign: int) -> None:
        at_once = max(1, _EXACT // (self.block[0] * self.block[1]))
        for start in range(0, len(features), at_once):
            some = features[start : start + at_once].astype(np.float32)
            cells = by_block(some, self.block)
            self.second += sign * (cells @ cells.swapaxes(1, 2)).astype(np.int64)
        self.first += sign * features.sum(axis=0, dtype=np.int64)
        self.count += sign * len(features)


def by_block(features: NDArray[np.float32], block: tuple[int, int]) -> NDArray[np.float32]:
    """n x C x h x w to P x C x (cells of a block x n): the features of each block's cells in all frames."""
    n, c, h, w = features.shape
    rows, columns = block
    parted = features.reshape(n, c, h // rows, rows, w // columns, columns)
    cells = parted.transpose(2, 4, 1, 3, 5, 0)
    return np.ascontiguousarray(cells).reshape(-1, c, rows * columns * n)
