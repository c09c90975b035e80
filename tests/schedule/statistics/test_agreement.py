"""Kappas against the field's library and against the formula by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from saec.schedule.statistics.agreement import cohen_kappa, dichotomous_kappa

LABELS = st.integers(0, 1)


@given(st.lists(st.tuples(LABELS, LABELS), min_size=2, max_size=40))
def test_cohen_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    found = cohen_kappa(pairs, [str(at) for at in range(len(pairs))])
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) < 2:
        assert found.value is None
        return
    assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert found.interval is not None
    assert -1 <= found.interval[0] <= found.interval[1] <= 1


@given(st.lists(st.lists(LABELS, min_size=3, max_size=3), min_size=2, max_size=30))
def test_equally_many_ratings_give_fleiss_kappa(ratings: list[list[int]]) -> None:
    """Fleiss 1971, written as in the paper: mean agreement of pairs, less that of chance."""
    counts = [(sum(some), 3) for some in ratings]
    found = dichotomous_kappa(counts)
    table = np.array([[3 - x, x] for x, _ in counts])
    observed = float(((table**2).sum(axis=1) - 3).mean() / 6)
    chance = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    if chance == 1:
        assert found.value is None
    else:
        assert found.value == pytest.approx((observed - chance) / (1 - chance), abs=1e-12)


def test_one_rating_of_a_part_says_nothing() -> None:
    assert dichotomous_kappa([(1, 1), (0, 1)]).value is None
    assert dichotomous_kappa([]).parts == 0
    assert dichotomous_kappa([(2, 2), (0, 2), (1, 1)]).value == 1.0


def test_frames_of_one_part_are_one_piece_of_evidence() -> None:
    pairs = [(0, 0), (1, 1), (0, 1), (1, 0)] * 5
    apart = cohen_kappa(pairs, [str(at) for at in range(20)]).interval
    together = cohen_kappa(pairs, [str(at // 5) for at in range(20)]).interval
    assert apart is not None
    assert together is not None
    assert apart != together
