"""A cover is that of the plain greedy, though little of it is computed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.goods.covering import cover


def points(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=(count, 6)).astype(np.float32)


@pytest.mark.parametrize("count", [700, 6000])
def test_the_cover_is_that_of_the_plain_greedy(count: int) -> None:
    x = points(count)
    chosen = [int(((x - x.mean(0)) ** 2).sum(1).argmax())]
    nearest = np.full(count, np.inf)
    while len(chosen) < 90:
        nearest = np.minimum(nearest, ((x - x[chosen[-1]]).astype(np.float64) ** 2).sum(1))
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    assert cover(x, 90).tolist() == chosen


def test_all_points_are_chosen_where_there_are_few() -> None:
    assert cover(points(40), 90).tolist() == list(range(40))


def test_equal_points_are_chosen_once_each() -> None:
    assert len(set(cover(np.zeros((50, 3), np.float32), 10).tolist())) == 10
