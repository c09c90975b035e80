"""What the good patches look like: statistics in one pass, a covering memory, a Gaussian for each place.

All are flat in the number of images: sums, and a fixed number of candidate patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saec.edge.training.patch_network import BLOCK, Distances, Memory, Places

CANDIDATES = 60_000
"""Patches, over all images, among which the memory is chosen."""

PROJECTED = 64
"""Dimensions of the random projection in which the memory is chosen (Johnson and Lindenstrauss)."""

ROUND = 64
"""Farthest patches that one round of the greedy looks at."""

RIDGE = 0.01
"""Added to the diagonal of each covariance of standardised features."""


@dataclass
class Moments:
    """Sums over images: enough for means and covariances of any union of sets of images.

    Attributes:
        count: images.
        first: C x h x w, sum of features at each cell.
        second: P x C x C, sum of outer products over the images and cells of each block.
    """

    count: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @classmethod
    def empty(cls, channels: int, height: int, width: int) -> Moments:
        blocks = height * width // BLOCK**2
        return cls(0, np.zeros((channels, height, width)), np.zeros((blocks, channels, channels)))

    def add(self, features: Tensor) -> None:
        """Add one image's features, C x h x w."""
        features = features.double()  # a covariance is a difference of large sums
        v = _blocks(features)
        self.count += 1
        self.first += features.numpy()
        self.second += torch.bmm(v, v.transpose(1, 2)).numpy()

    def minus(self, other: Moments) -> Moments:
        """The sums over the images that are not among those of ``other``."""
        return Moments(self.count - other.count, self.first - other.first, self.second - other.second)


def _blocks(features: Tensor) -> Tensor:
    """C x h x w to P x C x BLOCK^2: the cells of each block."""
    c, h, w = features.shape
    v = features.reshape(c, h // BLOCK, BLOCK, w // BLOCK, BLOCK).permute(1, 3, 0, 2, 4)
    return v.reshape(-1, c, BLOCK * BLOCK)


@dataclass
class Candidates:
    """Patches drawn from every image, in equal number: features (n x C) and the image of each."""

    patches: Tensor
    image: NDArray[np.int64]


def build_distances(moments: Moments, candidates: Tensor, memory: int, seed: int) -> Distances:
    """The detector's distances, from the sums and candidate patches of a set of good images.

    Args:
        moments: the moments of those images.
        candidates: n x C patches of those images, not standardised.
        memory: patches that the memory keeps, at most.
        seed: seed of the projection and of the first patch.
    """
    _, height, width = moments.first.shape
    mean = torch.from_numpy(moments.first.mean((1, 2)) / moments.count)
    deviation = torch.from_numpy(_deviation(moments))
    standardised = ((candidates - mean) / deviation).float()
    chosen = standardised[cover(standardised, memory, seed)]
    means, whiten = _gaussians(moments, mean.numpy(), deviation.numpy())
    bank = Memory(mean.float(), deviation.float(), chosen)
    return Distances(bank, Places(means, whiten), height, width)


def _deviation(moments: Moments) -> NDArray[np.float64]:
    cells = moments.count * moments.first[0].size
    square = np.einsum("pcc->c", moments.second) / cells
    mean = moments.first.sum((1, 2)) / cells
    floor = 1e-6 + 1e-6 * np.abs(mean)
    deviation: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, floor**2))
    return deviation


def cover(patches: Tensor, count: int, seed: int) -> list[int]:
    """Indices of patches that cover the others: greedy k-centre (Gonzalez 1985), in a random projection.

    Args:
        patches: n x C.
        count: how many; all of them when n is no larger.
        seed: seed of the projection and the first index.
    """
    if len(patches) <= count:
        return list(range(len(patches)))
    generator = torch.Generator().manual_seed(seed)
    projection = torch.randn(patches.shape[1], min(PROJECTED, patches.shape[1]), generator=generator)
    y = patches @ projection
    norms = (y * y).sum(1)
    chosen = [int(torch.randint(len(y), (1,), generator=generator))]
    nearest = _squared(y, norms, chosen)[:, 0]
    while len(chosen) < count:
        picks = _farthest(y, norms, nearest)[: count - len(chosen)]
        chosen += picks
        torch.minimum(nearest, _squared(y, norms, picks).amin(1), out=nearest)
    return chosen


def _squared(y: Tensor, norms: Tensor, indices: list[int]) -> Tensor:
    """Squared distances of all points to those, n x k."""
    return torch.addmm(norms[:, None] + norms[indices], y, y[indices].T, alpha=-2.0)


def _farthest(y: Tensor, norms: Tensor, nearest: Tensor) -> list[int]:
    """The next picks of the greedy, several at once and yet exact.

    Only the ROUND farthest points are looked at. As long as the farthest of them, after the picks of this
    round, is no nearer than the least of them was before, no point outside can be farther.
    """
    top = nearest.topk(min(ROUND, len(nearest)))
    candidates: list[int] = top.indices.tolist()
    between = _squared(y[candidates], norms[candidates], list(range(len(candidates))))
    left, bound = top.values.clone(), float(top.values[-1])
    picks: list[int] = []
    while not picks or float(left.max()) >= bound:
        at = int(left.argmax())
        if picks and float(left[at]) <= 0:
            break
        picks.append(at)
        torch.minimum(left, between[:, at], out=left)
        left[at] = -1.0
    return [candidates[at] for at in picks]


def _gaussians(
    moments: Moments, mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[Tensor, Tensor]:
    """Mean of each cell and whitening of each block, in standardised features.

    A block's covariance rests on few images, so it is shrunk towards the mean over blocks, the more the
    fewer there are: weight C / (C + samples) (a regularised discriminant analysis, Friedman 1989).
    """
    n, channels = moments.count, len(moments.first)
    first = torch.from_numpy(moments.first / n)
    v = _blocks(first)
    within = torch.from_numpy(moments.second / n) - torch.bmm(v, v.transpose(1, 2))
    scale = BLOCK**2 * (1 - 1 / max(n, 2)) * np.outer(deviation, deviation)
    covariance = within / torch.from_numpy(scale)
    weight = channels / (channels + n * BLOCK**2)
    eye = torch.eye(channels, dtype=covariance.dtype)
    covariance = (1 - weight) * covariance + weight * covariance.mean(0) + RIDGE * eye
    factors = torch.linalg.cholesky(covariance)
    whiten = torch.linalg.solve_triangular(factors, eye.expand_as(factors), upper=False)
    means = (first - torch.from_numpy(mean)[:, None, None]) / torch.from_numpy(deviation)[:, None, None]
    return means.float(), whiten.float()
