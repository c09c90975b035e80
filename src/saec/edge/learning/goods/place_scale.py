"""The two distance maps on the scale of the goods: what each place shows, and how much that varies.

Enlarging and smoothing are linear and act on rows and columns apart, so each is a pair of small matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SMOOTHING = 1.0
"""Standard deviation, in cells of the fine grid, of the Gaussian that smooths each distance map."""

PLACE_SMOOTHING = 0.7
"""The same of the smoothing of what goods show at each place; of how much that varies: twice as much."""

PLACE_FLOOR = 0.1
"""Of the mean deviation over places, added to each place's own: few goods say little about one place."""

_VALUES = 400_000
"""Distances from which median and spread are taken, about."""


def blurring(length: int, deviation: float) -> Doubles:
    """Gaussian smoothing of a row of cells as a matrix, length x length; the borders are reflected."""
    radius = min(math.ceil(3 * deviation), length - 1)
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-(steps**2) / (2 * deviation**2))
    matrix = np.zeros((length, length))
    for cell in range(length):
        mirrored = np.abs(cell + steps)
        mirrored = np.where(mirrored >= length, 2 * (length - 1) - mirrored, mirrored)
        np.add.at(matrix[cell], mirrored, kernel / kernel.sum())
    return matrix


def enlarging(length: int) -> Doubles:
    """A row of cells to twice as many, bilinear with half-pixel centres, as a matrix, 2 length x length."""
    middle = np.clip((np.arange(2 * length) + 0.5) / 2 - 0.5, 0, length - 1)
    left = np.minimum(np.floor(middle).astype(int), length - 1)
    right = np.minimum(left + 1, length - 1)
    matrix = np.zeros((2 * length, length))
    np.add.at(matrix, (np.arange(2 * length), left), 1 - (middle - left))
    np.add.at(matrix, (np.arange(2 * length), right), middle - left)
    return matrix


def map_matrices(height: int, width: int) -> tuple[Floats, Floats]:
    """What turns a coarse map (h x w) into a fine smoothed one: rows @ map @ columns; 2h x h and w x 2w."""
    rows = blurring(2 * height, SMOOTHING) @ enlarging(height)
    columns = blurring(2 * width, SMOOTHING) @ enlarging(width)
    return rows.astype(np.float32), columns.T.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PlaceScale:
    """The scale of the maps, and the goods' maps on it.

    Attributes:
        centre, spread: median and (90 % quantile - median) of each distance over goods and cells inside, 2.
        expected, deviation: H x W, mean and deviation at each place over goods of the sum of both distances.
        maps: n x H x W, the goods' anomaly maps; what a place shows is taken from the other goods for each,
            or else a good would lower its own map, the more so the fewer goods there are.
    """

    centre: Floats
    spread: Floats
    expected: Floats
    deviation: Floats
    maps: Floats


def place_scale(distances: Floats, inside: NDArray[np.bool_] | None) -> PlaceScale:
    """The scale from cross-fitted distances of goods.

    Args:
        distances: n x 2 x H x W, n at least 2.
        inside: H x W, cells within the region of interest, or None for all.
    """
    n, _, height, width = distances.shape
    within = np.ones((height, width), np.bool_) if inside is None else inside
    centre, spread = _typical(distances, within)
    summed = ((distances - centre[:, None, None]) / spread[:, None, None]).sum(1, dtype=np.float64)
    smooth, smoother = (_smoothing(within, PLACE_SMOOTHING * times) for times in (1, 2))
    total, square = summed.sum(0), (summed**2).sum(0)

    def place(total: Doubles, square: Doubles, count: int) -> tuple[Doubles, Doubles]:
        mean = total / count
        variance = np.maximum(square / count - mean**2, 0.0) * (count / max(count - 1, 1))
        deviation = np.sqrt(smoother(variance))
        return smooth(mean), deviation + PLACE_FLOOR * deviation[within].mean() + 1e-6

    maps = np.empty(summed.shape, np.float32)
    for i, one in enumerate(summed):
        mean, deviation = place(total - one, square - one**2, n - 1)
        maps[i] = (one - mean) / deviation
    mean, deviation = place(total, square, n)
    return PlaceScale(centre, spread, mean.astype(np.float32), deviation.astype(np.float32), maps)


def _typical(distances: Floats, within: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    values = distances.transpose(1, 0, 2, 3)[:, :, within].reshape(2, -1)
    some = values[:, :: max(1, values.shape[1] // _VALUES)]
    median, high = np.quantile(some, [0.5, 0.9], axis=1)
    return median.astype(np.float32), np.maximum(high - median, 1e-6).astype(np.float32)


def _smoothing(within: NDArray[np.bool_], deviation: float) -> Callable[[Doubles], Doubles]:
    """The smoothing of a map in which the cells outside the region have no share."""
    height, width = within.shape
    rows, columns = blurring(height, deviation), blurring(width, deviation).T
    share = np.maximum(rows @ within @ columns, 1e-6)
    return lambda values: (rows @ (values * within) @ columns) / share
