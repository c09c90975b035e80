"""The detector's modules, each against a plain statement of what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saec.edge.training.patch_network import HOTTEST, Blur, Distances, Memory, Places, Scale
from saec.rounding import apart

pytestmark = pytest.mark.numeric

C, H, W = 5, 6, 8


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def memory(patches: int = 20) -> Memory:
    return Memory(rand(C, seed=1), rand(C, seed=2).abs() + 0.5, rand(patches, C, seed=3))


def places() -> Places:
    return Places(rand(C, H, W, seed=4), rand(H * W // 4, C, C, seed=5).tril())


def scale(inside: torch.Tensor | None = None, *, even: bool = False) -> Scale:
    shape = (2 * H, 2 * W)
    expected = torch.zeros(shape) if even else rand(*shape, seed=8)
    deviation = torch.ones(shape) if even else rand(*shape, seed=9).abs() + 0.5
    return Scale(rand(2, seed=6), rand(2, seed=7).abs() + 0.5, expected, deviation, inside)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_memory_gives_the_distance_to_the_nearest_patch(seed: int, patches: int) -> None:
    m, x = memory(patches), 3 * rand(2, C, H, W, seed=seed)
    z = ((x - m.mean) / m.deviation).permute(0, 2, 3, 1).reshape(-1, C).double()
    brute = torch.cdist(z, rand(patches, C, seed=3).double()).amin(1).reshape(2, H, W)
    allowed = apart(3 * C, float(z.norm(dim=1).max() + rand(patches, C, seed=3).norm(dim=1).max()) ** 2)
    torch.testing.assert_close(m(x).double() ** 2, brute**2, rtol=0, atol=allowed)


def test_memory_gives_no_distance_to_its_own_patches() -> None:
    bank = rand(H * W, C, seed=3)
    m = Memory(torch.full((C,), 2.0), torch.full((C,), 3.0), bank)
    x = (3 * bank + 2).T.reshape(1, C, H, W)
    # |z|^2 + |m|^2 - 2 z.m, three sums that cancel each other
    assert float(m(x).max()) ** 2 <= apart(3 * C + 4, 4 * float((bank * bank).sum(1).max()))


@given(st.integers(0, 1000))
def test_places_give_the_mahalanobis_distance_of_each_cell(seed: int) -> None:
    p, x = places(), rand(2, C, H, W, seed=seed)
    whiten = p.whiten.double().numpy()
    expected, magnitude = np.empty((2, H, W)), np.empty((2, H, W))
    for b, y, x_ in np.ndindex(2, H, W):
        v = (x[b, :, y, x_] - p.mean[:, y, x_]).double().numpy()
        w = whiten[(y // 2) * (W // 2) + x_ // 2]
        expected[b, y, x_] = v @ (w.T @ w) @ v
        magnitude[b, y, x_] = ((np.abs(w) @ np.abs(v)) ** 2).sum()
    off = np.abs(p(x).numpy().astype(float) ** 2 - expected)
    assert (off <= apart(2 * C + 4, 1.0) * magnitude).all()


@given(st.floats(-100, 100), st.sampled_from([0.5, 1.0, 1.5, 3.0]), st.integers(4, 20), st.integers(4, 20))
def test_blur_preserves_constants(value: float, deviation: float, height: int, width: int) -> None:
    flat = torch.full((2, height, width), value)
    blur = Blur(deviation, height, width)
    # Along rows, along columns, and the kernel's own sum; below tiny a number has fewer digits.
    allowed = apart(3 * len(blur.kernel), value) + torch.finfo(torch.float32).tiny
    torch.testing.assert_close(blur(flat), flat, rtol=0, atol=allowed)


def test_blur_is_a_gaussian_of_the_stated_width() -> None:
    spot = torch.zeros(1, 31, 31)
    spot[0, 15, 15] = 1.0
    blur = Blur(2.0, 31, 31)
    out = blur(spot)[0].numpy()
    offset = np.arange(31) - 15.0
    assert out.astype(float).sum() == pytest.approx(1.0, abs=apart(3 * len(blur.kernel), 1.0))
    assert (out.sum(0) * offset**2).sum() == pytest.approx(4.0, rel=0.05)
    np.testing.assert_allclose(out, out.T, rtol=0, atol=apart(2 * len(blur.kernel), float(out.max())))


@given(st.integers(0, 1000), st.booleans())
def test_score_is_the_mean_of_the_hottest_percent_above_the_median(seed: int, part: bool) -> None:
    inside = torch.arange(0, 4 * H * W, 2) if part else None
    s, d = scale(inside), rand(3, 2, 2 * H, 2 * W, seed=seed)
    score, heat = s(d)
    sums = ((d - s.centre) / s.spread).sum(1)
    z = ((sums - s.expected) / s.deviation).flatten(1)
    seen = (z if inside is None else z[:, inside]).numpy()
    hottest = max(1, round(HOTTEST * seen.shape[1]))
    ordered = np.sort(seen, axis=1)[:, ::-1]
    median = ordered[:, seen.shape[1] // 2]
    allowed = apart(hottest + 8, 2 * float(z.abs().max()))
    np.testing.assert_allclose(score, ordered[:, :hottest].mean(1) - median, rtol=0, atol=allowed)
    shown = heat.flatten(1).numpy()
    cells = slice(None) if inside is None else inside.numpy()
    np.testing.assert_allclose(shown[:, cells], seen - median[:, None], rtol=0, atol=allowed)


@given(st.floats(-5, 5))
def test_a_change_of_the_whole_frame_does_not_count(shift: float) -> None:
    s, d = scale(even=True), rand(1, 2, 2 * H, 2 * W)
    score, heat = s(d)
    moved, moved_heat = s(d + shift)
    largest = (d.abs() + abs(shift) + s.centre.abs()) / s.spread
    allowed = apart(s.hottest + 8, 2 * float(largest.sum(1).max()))
    torch.testing.assert_close(moved, score, rtol=0, atol=allowed)
    torch.testing.assert_close(moved_heat, heat, rtol=0, atol=allowed)


@given(st.integers(0, 1000), st.floats(-50, 50))
def test_cells_outside_the_region_count_for_nothing(seed: int, change: float) -> None:
    keep = torch.zeros(2 * H, 2 * W, dtype=torch.bool)
    keep[2:7, 3:9] = True
    s, d = scale(keep.flatten().nonzero()[:, 0]), rand(1, 2, 2 * H, 2 * W, seed=seed)
    other = torch.where(keep, d, d + change)
    (score, heat), (again, heat_again) = s(d), s(other)
    assert torch.equal(score, again)
    assert torch.equal(heat, heat_again)
    assert not heat[0, ~keep].any()


def test_a_hotter_cell_never_lowers_the_score() -> None:
    s, d = scale(), rand(1, 2, 2 * H, 2 * W)
    before = float(s(d)[0])
    d[0, 0, 4, 4] += 50
    assert float(s(d)[0]) > before + 10


def test_batch_equals_single() -> None:
    m, p, s = memory(), places(), scale()
    distances, x = Distances(m, p, H, W), rand(4, C, H, W)
    score, heat = s(distances(x))
    # A distance is the root of a sum of squares; what it is off by is divided by twice itself, then put on
    # the scale of the goods and smoothed.
    z = m.standardise(x)
    near = (z.norm(dim=1) + rand(20, C, seed=3).norm(dim=1).max()) ** 2 / m(x)
    there = Places(torch.zeros_like(p.mean), p.whiten.abs())((z - p.mean).abs()) ** 2 / p(z)
    root = apart(3 * C, float(torch.maximum(near, there).max()) / 2)
    smooth = apart(4 * len(distances.blur.kernel), float(distances(x).abs().max()))
    allowed = 2 * 2 * (root + smooth) / float(s.spread.min() * s.deviation.min())
    for i in range(4):
        one_score, one_heat = s(distances(x[i : i + 1]))
        torch.testing.assert_close(one_score[0], score[i], rtol=0, atol=allowed)
        torch.testing.assert_close(one_heat[0], heat[i], rtol=0, atol=allowed)
