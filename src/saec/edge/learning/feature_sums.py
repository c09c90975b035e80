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

REACH = 1.5
"""Largest feature that int8 holds, in units of the largest one among the first goods."""

LARGEST = 127
"""Largest value of a feature, in steps."""

_AT_ONCE = 16
"""Frames that one product sums: 4 cells x 16 frames x 127^2 stays below 2^24, so float32 is exact."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What one step of each channel is worth.

    Attributes:
        size: C, float32, in the units of the features.
    """

    size: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Steps:
        """The steps for a line whose first goods have these features, n x C x h x w."""
        largest = np.abs(features).max(axis=(0, 2, 3))
        floor = max(float(largest.max()), 1e-6) * 1e-6
        return cls((REACH * np.maximum(largest, floor) / LARGEST).astype(np.float32))

    def whole(self, features: NDArray[np.float32]) -> Features:
        """Features (... x C x h x w) in whole steps; what lies beyond int8 is cut."""
        scaled = np.rint(features / self.size[:, None, None])
        whole: Features = np.clip(scaled, -LARGEST, LARGEST).astype(np.int8)
        return whole

    def real(self, features: Features) -> NDArray[np.float32]:
        """Whole steps back in the units of the features."""
        return features * self.size[:, None, None]


@dataclass(slots=True, eq=False)
class FeatureSums:
    """Sums over the features of goods, in steps.

    Attributes:
        block: side of the square of cells that share a covariance.
        count: goods.
        first: C x h x w, int64: the sum of the features at each cell.
        second: P x C x C, int64: the sum of outer products over the goods and cells of each block.
    """

    block: int
    count: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @classmethod
    def empty(cls, channels: int, height: int, width: int, block: int) -> FeatureSums:
        blocks = (height // block) * (width // block)
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
        at_once = max(1, _AT_ONCE * 4 // self.block**2)
        for start in range(0, len(features), at_once):
            some = features[start : start + at_once].astype(np.float32)
            cells = by_block(some, self.block)
            self.second += sign * (cells @ cells.swapaxes(1, 2)).astype(np.int64)
        self.first += sign * features.sum(axis=0, dtype=np.int64)
        self.count += sign * len(features)


def by_block(features: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """n x C x h x w to P x C x (block^2 n): the features of each block's cells in all frames."""
    n, c, h, w = features.shape
    parted = features.reshape(n, c, h // block, block, w // block, block)
    cells = parted.transpose(2, 4, 1, 3, 5, 0)
    return np.ascontiguousarray(cells).reshape(-1, c, block * block * n)
