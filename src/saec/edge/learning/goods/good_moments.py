"""What the sums of goods say: their middle and spread, and a Gaussian for each place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from saec.edge.learning.feature_sums import FeatureSums

RIDGE = 0.01
"""Added to the diagonal of each covariance of standardised features."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Mean and standard deviation of each feature over goods and cells, C each, in steps."""

    mean: Doubles
    deviation: Doubles


def standard_of(sums: FeatureSums) -> Standard:
    """The mean and deviation of these goods' features."""
    channels = len(sums.first)
    cells = sums.count * sums.first[0].size
    mean = sums.first.reshape(channels, -1).sum(1) / cells
    square = np.einsum("pcc->c", sums.second) / cells
    return Standard(mean, np.sqrt(np.maximum(square - mean**2, 1e-6)))


def whitening(sums: FeatureSums, standard: Standard) -> NDArray[np.float32]:
    """Inverse Cholesky factors of the covariance of each block, P x C x C, of features in steps.

    A block's covariance rests on few goods, so it is shrunk towards the mean over blocks, the more the fewer
    there are: weight C / (C + samples) (a regularised discriminant analysis, Friedman 1989).
    """
    n, channels = sums.count, len(sums.first)
    samples = n * sums.block[0] * sums.block[1]
    means = _cells_by_block(sums.first / n, sums.block)
    scatter = sums.second / n - means @ means.swapaxes(1, 2)
    scale = samples / n * (1 - 1 / max(n, 2)) * np.outer(standard.deviation, standard.deviation)
    covariance = scatter / scale
    weight = channels / (channels + samples)
    covariance = (1 - weight) * covariance + weight * covariance.mean(0)
    diagonal = np.arange(channels)
    covariance[:, diagonal, diagonal] += RIDGE
    white = np.empty(covariance.shape, np.float32)
    for block, one in enumerate(covariance):
        factor, _ = lapack.dpotrf(one, lower=1, clean=1, overwrite_a=0)
        inverse, _ = lapack.dtrtri(factor, lower=1)
        white[block] = inverse / standard.deviation
    return white


def _cells_by_block(values: Doubles, block: tuple[int, int]) -> Doubles:
    """C x h x w to P x C x cells of a block."""
    c, h, w = values.shape
    rows, columns = block
    parted = values.reshape(c, h // rows, rows, w // columns, columns)
    return parted.transpose(1, 3, 0, 2, 4).reshape(-1, c, rows * columns)
