"""The patch detector as pure torch modules: what is exported, and nothing of how it is fitted.

A frame's features are compared with those of good frames in two ways: with the nearest patch of a memory
of good patches, wherever it lay (PatchCore, Roth et al., CVPR 2022), and with the Gaussian of the same
place (PaDiM, Defard et al., ICPR 2021). Each map is put on the scale of the goods, their sum is compared
with what goods show at that place, and the image's score is the mean of the hottest percent.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saec.edge.training.feature_graph import Features

BLOCK = 2
"""Covariances are shared by BLOCK x BLOCK cells; means are each cell's own."""

HOTTEST = 0.01
"""Share of the map whose mean is the image's score."""

SMOOTHING = 1.0
"""Standard deviation, in cells of stride 8, of the Gaussian that smooths each map."""


class Memory(nn.Module):
    """Distance of each patch to the nearest one of a memory of good patches.

    Args:
        mean, deviation: mean and standard deviation of each feature over all good patches, C.
        patches: the memory, K x C, standardised.

    Input: B x C x h x w. Output: B x h x w, Euclidean distances.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, patches: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("deviation", deviation[:, None, None])
        self.register_buffer("weight", -2.0 * patches)
        self.register_buffer("bias", (patches * patches).sum(1))

    def standardise(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation

    def forward(self, features: Tensor) -> Tensor:
        z = self.standardise(features)
        b, c, h, w = z.shape
        patches = z.permute(0, 2, 3, 1).reshape(b * h * w, c)
        # |z - m|^2 = |z|^2 + (|m|^2 - 2 z.m), whose bracket is one linear layer
        nearest = F.linear(patches, self.weight, self.bias).amin(1)
        squared = (patches * patches).sum(1) + nearest
        return squared.clamp_min(0.0).sqrt().reshape(b, h, w)


class Places(nn.Module):
    """Mahalanobis distance of each patch to the good patches of the same place.

    Args:
        mean: C x h x w, of the standardised features of goods at each cell.
        whiten: P x C x C, inverse Cholesky factors of the covariance of each block of cells, P = hw/4.

    Input: B x C x h x w, standardised. Output: B x h x w.
    """

    def __init__(self, mean: Tensor, whiten: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("whiten", whiten)

    def forward(self, standardised: Tensor) -> Tensor:
        v = standardised - self.mean
        b, c, h, w = v.shape
        v = v.reshape(b, c, h // BLOCK, BLOCK, w // BLOCK, BLOCK).permute(0, 2, 4, 1, 3, 5)
        y = torch.matmul(self.whiten, v.reshape(b, -1, c, BLOCK * BLOCK))
        d = (y * y).sum(2).clamp_min(0.0).sqrt()
        d = d.reshape(b, h // BLOCK, w // BLOCK, BLOCK, BLOCK).permute(0, 1, 3, 2, 4)
        return d.reshape(b, h, w)


class Blur(nn.Module):
    """Gaussian smoothing of B x h x w maps with reflected borders."""

    def __init__(self, deviation: float, height: int, width: int) -> None:
        super().__init__()
        radius = min(math.ceil(3 * deviation), height - 1, width - 1)
        x = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-x * x / (2 * deviation * deviation))
        self.radius = radius
        self.register_buffer("kernel", kernel / kernel.sum())

    def forward(self, maps: Tensor) -> Tensor:
        x = F.pad(maps[:, None], (self.radius,) * 4, mode="reflect")
        x = F.conv2d(x, self.kernel[None, None, None, :])
        return F.conv2d(x, self.kernel[None, None, :, None])[:, 0]


class Distances(nn.Module):
    """Features to the two distance maps, smoothed, on the stride-8 grid: B x 2 x 2h x 2w."""

    def __init__(self, memory: Memory, places: Places, height: int, width: int) -> None:
        super().__init__()
        self.memory, self.places = memory, places
        self.size = (2 * height, 2 * width)
        self.blur = Blur(SMOOTHING, *self.size)

    def forward(self, features: Tensor) -> Tensor:
        return self.smoothed(self.memory(features), self.places(self.memory.standardise(features)))

    def smoothed(self, near: Tensor, there: Tensor) -> Tensor:
        """The two maps of distances, B x h x w each, on the finer grid and smoothed."""
        maps = torch.stack([near, there], 1)
        maps = F.interpolate(maps, size=self.size, mode="bilinear", align_corners=False)
        b, n, h, w = maps.shape
        smooth: Tensor = self.blur(maps.reshape(b * n, h, w))
        return smooth.reshape(b, n, h, w)


class Scale(nn.Module):
    """The two distance maps to one anomaly map, and its score, on the scale of the line's goods.

    Args:
        centre, spread: each distance's centre and spread over the goods, 2. The map is the sum of
            (d - centre) / spread.
        expected, deviation: mean and deviation of that sum at each place over the goods, H x W.
        inside: indices of the cells within the region of interest, or None for all.

    Input: B x 2 x H x W. Output: score B and map B x H x W. The map has its median subtracted, so that a
    change that touches the whole frame alike (light, say) does not count, and the score is the mean of
    its hottest percent. Cells outside the region of interest count in neither and are 0 in the map.
    """

    def __init__(
        self, centre: Tensor, spread: Tensor, expected: Tensor, deviation: Tensor, inside: Tensor | None
    ) -> None:
        super().__init__()
        self.register_buffer("centre", centre[:, None, None])
        self.register_buffer("spread", spread[:, None, None])
        self.register_buffer("expected", expected)
        self.register_buffer("deviation", deviation)
        self.register_buffer("inside", inside)
        self.register_buffer("shown", None)
        if inside is not None:
            self.shown = torch.zeros(expected.numel()).index_fill(0, inside, 1.0).reshape(expected.shape)
        cells = expected.numel() if inside is None else len(inside)
        self.hottest = max(1, round(HOTTEST * cells))
        self.middle = cells // 2 + 1

    def combine(self, distances: Tensor) -> Tensor:
        return ((distances - self.centre) / self.spread).sum(1)

    def forward(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        maps = (self.combine(distances) - self.expected) / self.deviation
        flat = maps.flatten(1)
        if self.inside is not None:
            flat = flat[:, self.inside]
        ordered = flat.topk(self.middle, dim=1).values
        median = ordered[:, -1]
        score = ordered[:, : self.hottest].mean(1) - median
        maps = maps - median[:, None, None]
        return score, maps if self.shown is None else maps * self.shown


class PatchNet(nn.Module):
    """The whole detector: B x H x W x 3 RGB uint8 to score (B) and map (B x H/8 x W/8)."""

    def __init__(self, features: Features, distances: Distances, scale: Scale) -> None:
        super().__init__()
        self.features, self.distances, self.scale = features, distances, scale
        self.eval().requires_grad_(False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        score, maps = self.scale(self.distances(self.features(frames)))
        return score, maps
