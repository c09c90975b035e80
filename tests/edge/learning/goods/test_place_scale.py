"""Matrices enlarge and smooth as they say; no good lowers its own map."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.goods.place_scale import blurring, enlarging, map_matrices, place_scale


def random_map(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).random((height, width)).astype(np.float32)


def test_a_map_is_enlarged_as_images_are() -> None:
    small = random_map(5, 7)
    expected = cv2.resize(small, (14, 10), interpolation=cv2.INTER_LINEAR)
    assert enlarging(5) @ small @ enlarging(7).T == pytest.approx(expected, abs=1e-6)


def test_smoothing_is_a_gaussian_with_reflected_borders() -> None:
    one = random_map(9, 11)
    expected = cv2.GaussianBlur(one, (7, 7), 1.0, borderType=cv2.BORDER_REFLECT_101)
    assert blurring(9, 1.0) @ one @ blurring(11, 1.0).T == pytest.approx(expected, abs=1e-5)


def test_even_maps_stay_even() -> None:
    rows, columns = map_matrices(2, 6)
    assert rows @ np.full((2, 6), 3.0) @ columns == pytest.approx(np.full((4, 12), 3.0), abs=1e-5)


def distances(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(2).gamma(4.0, size=(count, 2, 8, 8)).astype(np.float32)


def test_a_good_does_not_count_in_its_own_scale() -> None:
    goods = distances(6)
    before = place_scale(goods, None)
    goods[2] *= 1.5
    after = place_scale(goods, None)
    others = place_scale(np.delete(goods, 2, axis=0), None)
    summed = ((goods[2] - after.centre[:, None, None]) / after.spread[:, None, None]).sum(0)
    rescaled = ((goods - after.centre[:, None, None]) / after.spread[:, None, None]).sum(1)
    mean = np.delete(rescaled, 2, axis=0).mean(0)
    smooth = blurring(8, 0.7)
    assert (after.maps[2] > before.maps[2]).mean() > 0.9
    assert others.expected.shape == mean.shape
    assert np.sign(after.maps[2]) == pytest.approx(np.sign(summed - smooth @ mean @ smooth.T))


def test_cells_outside_the_region_have_no_share() -> None:
    inside = np.zeros((8, 8), np.bool_)
    inside[2:6, 2:6] = True
    goods = distances(5)
    before = place_scale(goods, inside)
    goods[:, :, ~inside] = 1e6
    after = place_scale(goods, inside)
    assert after.centre == pytest.approx(before.centre)
    assert after.maps[:, inside] == pytest.approx(before.maps[:, inside], rel=1e-4, abs=1e-4)


def test_constant_maps_are_finite() -> None:
    scale = place_scale(np.ones((3, 2, 4, 4), np.float32), None)
    assert np.isfinite(scale.maps).all()
    assert (scale.deviation > 0).all()
