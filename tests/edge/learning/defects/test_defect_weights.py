"""The weight of the head that learned from defects is what unseen scores tell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.defects.defect_weights import HeadScores, caught_share, choose_weights, rejected_share
from saec.schedule.statistics.threshold import threshold_for

GOODS = np.random.default_rng(0).gamma(3.0, size=200)


def scores(n: int, shift: float, hot: float, full: float, seed: int = 1) -> HeadScores:
    """Frames whose three scores lie this far above those of goods."""
    rng = np.random.default_rng(seed)
    return HeadScores(rng.normal(shift, 1.0, n), rng.normal([[hot], [full]], 1.0, (2, n)))


@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.1, 0.3])
def test_it_is_the_inverse_of_the_threshold(rate: float) -> None:
    threshold = np.array([threshold_for(GOODS, rate)])
    assert rejected_share(GOODS, threshold)[0] == pytest.approx(rate, rel=1e-6)


def test_a_higher_defect_is_caught_at_more_thresholds() -> None:
    shares = caught_share(GOODS, np.array([0.0, 3.0, 5.0, 8.0, 12.0, 100.0]))
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert (np.diff(shares) >= 0).all()


def test_three_goods_are_enough_to_tell() -> None:
    assert np.isfinite(caught_share(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.5, 9.0]))).all()


def test_a_head_that_sees_defects_counts() -> None:
    chosen = choose_weights(scores(200, 0, 0, 0), scores(10, 1, 6, 0, 2), np.arange(10))
    assert chosen.hot > 0
    assert chosen.full < chosen.hot


def test_only_the_half_that_sees_counts() -> None:
    chosen = choose_weights(scores(200, 0, 0, 0), scores(20, 1, 0, 8, 2), np.arange(20))
    assert chosen.full >= 1.0
    assert chosen.hot < chosen.full


@pytest.mark.parametrize("seed", range(10))
def test_a_head_that_sees_nothing_hardly_counts(seed: int) -> None:
    chosen = choose_weights(scores(200, 0, 0, 0), scores(20, 3, 0, 0, seed + 2), np.arange(20))
    assert max(chosen.hot, chosen.full) <= 0.25


def test_few_parts_give_little_weight_whatever_they_show() -> None:
    goods, defects = scores(200, 0, 0, 0), scores(12, -2, 5, 0, 2)

    def largest(parts: NDArray[np.int64]) -> float:
        chosen = choose_weights(goods, defects, parts)
        return max(chosen.hot, chosen.full)

    assert largest(np.zeros(12, np.int64)) == 0.0
    assert 0 < largest(np.arange(12) % 2) <= 1.0
    assert largest(np.arange(12)) > 1.0


def test_frames_of_one_part_count_as_one() -> None:
    goods, defects = scores(200, 0, 0, 0), scores(3, 1, 4, 0, 2)
    again = np.array([0, 0, 0, 0, 1, 2])
    many = HeadScores(defects.goods_only[again], defects.heads[:, again])
    one, other = choose_weights(goods, defects, np.arange(3)), choose_weights(goods, many, again)
    assert (one.hot, one.full) == pytest.approx((other.hot, other.full), abs=1e-6)
    assert [t.gained for t in one.trials] == pytest.approx([t.gained for t in other.trials])


def test_heads_only_add() -> None:
    goods, defects = scores(200, 0, 0, 0), scores(10, 1, 6, 2, 2)
    chosen = choose_weights(goods, defects, np.arange(10))
    together = goods.together(chosen.level, chosen.gain)
    assert (together >= goods.goods_only).all()
    below = (goods.heads <= chosen.level[:, None]).all(axis=0)
    assert (together[below] == goods.goods_only[below]).all()
