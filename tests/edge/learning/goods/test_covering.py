"""Covers are those of the plain greedy, though little of it is computed; a fold's holds none of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.goods.covering import NO_FOLD, Covering


def points(count: int = 700, size: int = 6) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=(count, size)).astype(np.float32)


def folds(count: int = 700) -> NDArray[np.int64]:
    return np.arange(count) % 5 + NO_FOLD


def farthest_first(x: NDArray[np.float32], nearest: NDArray[np.float64], count: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((x - x[chosen[-1]]).astype(np.float64) ** 2).sum(1))
        nearest[chosen] = -1
    return chosen


@pytest.mark.parametrize("count", [700, 6000])
def test_the_cover_is_that_of_the_plain_greedy(count: int) -> None:
    x = points(count)
    whole = Covering(x, folds(count), 90).covers().whole
    first = int(((x - x.mean(0)) ** 2).sum(1).argmax())
    nearest = ((x - x[first]).astype(np.float64) ** 2).sum(1)
    nearest[first] = -1
    assert whole.tolist() == [first, *farthest_first(x, nearest, 89)]


@pytest.mark.parametrize("count", [700, 6000])
@pytest.mark.parametrize("left_out", [[2], [0, 1, 3]])
def test_a_folds_cover_is_a_repair_by_the_greedy(count: int, left_out: list[int]) -> None:
    x, f = points(count), folds(count)
    covering = Covering(x, f, 90)
    covers = covering.covers()
    chosen = covering.without(covers, np.array(left_out))
    kept = [int(i) for i in covers.whole if f[i] not in left_out]
    nearest = ((x[:, None] - x[kept]).astype(np.float64) ** 2).sum(2).min(1)
    nearest[kept] = -1
    nearest[np.isin(f, left_out)] = -1
    assert chosen.tolist() == kept + farthest_first(x, nearest, 90 - len(kept))
    assert len(set(chosen.tolist())) == 90


def test_several_folds_are_left_out_together() -> None:
    covering = Covering(points(), folds(), 90)
    chosen = covering.without(covering.covers(), np.array([0, 1, 3]))
    assert set(folds()[chosen].tolist()) == {NO_FOLD, 2}


def test_all_points_are_chosen_where_there_are_few() -> None:
    covering = Covering(points(40), folds(40), 90)
    covers = covering.covers()
    assert covers.whole.tolist() == list(range(40))
    assert covering.without(covers, np.array([1])).tolist() == np.flatnonzero(folds(40) != 1).tolist()


def test_equal_points_are_chosen_once_each() -> None:
    covering = Covering(np.zeros((50, 3), np.float32), folds(50), 10)
    covers = covering.covers()
    assert len(set(covers.whole.tolist())) == 10
    assert len(set(covering.without(covers, np.array([1])).tolist())) == 10
