"""What is learnt of goods: sums that add up, a memory that covers, Gaussians as in a textbook."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saec.edge.training.good_statistics import PROJECTED, RIDGE, Moments, build_distances, cover
from saec.rounding import apart

pytestmark = pytest.mark.numeric

C, H, W = 4, 4, 6


def features(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, C, H, W)) * 3 + rng.normal(size=(C, H, W))).astype(np.float32)


def moments(images: np.ndarray) -> Moments:
    made = Moments.empty(C, H, W)
    for image in images:
        made.add(torch.from_numpy(image))
    return made


def blocks(images: np.ndarray) -> list[np.ndarray]:
    """Of each 2 x 2 block the samples of its cells: images x cells x C."""
    return [
        images[:, :, y : y + 2, x : x + 2].reshape(len(images), C, 4).transpose(0, 2, 1)
        for y in range(0, H, 2)
        for x in range(0, W, 2)
    ]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 100))
def test_moments_without_some_images_are_those_of_the_others(a: int, b: int, seed: int) -> None:
    images = features(a + b, seed)
    left = moments(images).minus(moments(images[a:]))
    assert left.count == a
    magnitude = float(np.abs(images).max())  # all images are added up, then some are taken away
    allowed = apart(a + 2 * b, (a + 2 * b) * magnitude, "float64")
    np.testing.assert_allclose(left.first, images[:a].astype(float).sum(0), rtol=0, atol=allowed)
    for second, v in zip(left.second, blocks(images[:a].astype(float)), strict=True):
        allowed = apart(4 * (a + 2 * b), 4 * (a + 2 * b) * magnitude**2, "float64")
        np.testing.assert_allclose(second, np.einsum("nkc,nkd->cd", v, v), rtol=0, atol=allowed)


def projected(points: torch.Tensor, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    width = points.shape[1]
    return (points @ torch.randn(width, min(PROJECTED, width), generator=generator)).double().numpy()


def is_greedy(y: np.ndarray, chosen: list[int]) -> None:
    """Every index after the first is, to within rounding, as far from those before it as any point is."""
    nearest = np.full(len(y), np.inf)
    slack = apart(3 * y.shape[1] + 8, 4 * float((y * y).sum(1).max())) + 1e-9
    for index in chosen:
        assert nearest[index] >= nearest.max() - slack or np.isinf(nearest).all()
        nearest = np.minimum(nearest, ((y - y[index]) ** 2).sum(1))


@given(st.integers(2, 300), st.integers(1, 6), st.integers(1, 150), st.integers(0, 50))
def test_cover_takes_the_farthest_each_time(n: int, width: int, count: int, seed: int) -> None:
    points = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32))
    chosen = cover(points, count, seed)
    assert len(chosen) == len(set(chosen)) == min(n, count)
    if count < n:
        is_greedy(projected(points, seed), chosen)


@given(st.integers(5, 250), st.integers(1, 3), st.integers(1, 40), st.integers(0, 50))
def test_cover_of_points_with_ties_and_copies(n: int, width: int, count: int, seed: int) -> None:
    grid = np.random.default_rng(seed).integers(0, 5, (n, width)).astype(np.float32)
    chosen = cover(torch.from_numpy(grid), count, seed)
    assert len(chosen) == min(n, count)
    distinct = len(np.unique(grid, axis=0))
    assert len(np.unique(grid[chosen], axis=0)) >= min(count, distinct)
    if count < n:
        is_greedy(projected(torch.from_numpy(grid), seed), chosen[:distinct])


def test_cover_is_far_better_than_chance_on_uneven_points() -> None:
    rng = np.random.default_rng(0)
    crowd, rare = rng.normal(size=(2000, 8)), rng.normal(size=(20, 8)) * 0.1 + 12
    points = torch.from_numpy(np.concatenate([crowd, rare]).astype(np.float32))
    chosen = cover(points, 30, 0)
    assert any(i >= 2000 for i in chosen)
    rest = torch.cdist(points, points[chosen]).amin(1).max()
    assert rest < torch.cdist(points, points[:30]).amin(1).max() / 2


def test_distances_rest_on_the_stated_statistics() -> None:
    images = features(12)
    flat = images.astype(float).transpose(0, 2, 3, 1).reshape(-1, C)
    mean, deviation = flat.mean(0), flat.std(0)
    candidates = torch.from_numpy(flat.astype(np.float32))
    made = build_distances(moments(images), candidates, 50, seed=0)
    share = apart(1, 1.0)  # the sums are in double precision, what comes of them is kept in single
    np.testing.assert_allclose(made.memory.mean[:, 0, 0], mean, rtol=share)
    np.testing.assert_allclose(made.memory.deviation[:, 0, 0], deviation, rtol=share)
    bank = -made.memory.weight.numpy() / 2
    standard = (flat - mean) / deviation
    assert len(bank) == 50
    gaps = ((bank[:, None] - standard[None]) ** 2).sum(2).min(1)
    # Each is one of the candidates, whose features are kept in single precision too.
    assert np.sqrt(gaps.max()) <= 2 * share * np.sqrt(C) * np.abs(flat / deviation).max()

    z = (images - mean[:, None, None]) / deviation[:, None, None]
    np.testing.assert_allclose(made.places.mean, z.mean(0), rtol=0, atol=share * np.abs(z).max())
    within = [v - v.mean(0) for v in blocks(z.astype(float))]
    covariances = np.array([np.einsum("nkc,nkd->cd", v, v) / (4 * (12 - 1)) for v in within])
    weight = C / (C + 4 * 12)
    shrunk = (1 - weight) * covariances + weight * covariances.mean(0) + RIDGE * np.eye(C)
    inverse = made.places.whiten.transpose(1, 2).double() @ made.places.whiten.double()
    for ours, theirs in zip(inverse.numpy(), shrunk, strict=True):
        # Of an inverse, the relative error is that of the matrix times its condition.
        allowed = 4 * share * np.linalg.cond(theirs) * np.linalg.norm(np.linalg.inv(theirs), 2)
        np.testing.assert_allclose(ours, np.linalg.inv(theirs), rtol=0, atol=allowed)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_features_that_never_vary_give_finite_distances(count: int) -> None:
    images = features(count)
    images[:, 1] = 7.0
    images[:, 2, :2, :2] = 0.0
    flat = torch.from_numpy(images.transpose(0, 2, 3, 1).reshape(-1, C))
    made = build_distances(moments(images), flat, 8, seed=0)
    out = made(torch.from_numpy(features(3, seed=1)))
    assert out.shape == (3, 2, 2 * H, 2 * W)
    assert torch.isfinite(out).all()
