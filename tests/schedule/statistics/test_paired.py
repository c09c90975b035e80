"""Paired intervals and tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.schedule.statistics.paired import holm, interval, mcnemar, resampled


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sign_test_on_the_images_that_differ(mended: int, spoiled: int) -> None:
    p = mcnemar(mended, spoiled)
    assert 0 < p <= 1
    assert p == pytest.approx(mcnemar(spoiled, mended))
    if mended == spoiled:
        assert p == pytest.approx(1)


def test_mcnemar_by_hand() -> None:
    assert mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(6, 0) == pytest.approx(2 / 2**6)
    assert mcnemar(4, 1) == pytest.approx(2 * (1 + 5) / 2**5)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.02]) == pytest.approx([0.02])


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    for raw, value in zip(p, adjusted, strict=True):
        assert raw <= value + 1e-12
        assert value <= min(1, raw * len(p)) + 1e-12 or value in adjusted[: len(p)]
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert adjusted[int(order[0])] == pytest.approx(min(1, p[int(order[0])] * len(p)))


def test_the_interval_of_a_mean_is_about_two_standard_errors() -> None:
    values = np.random.default_rng(1).normal(1.0, 2.0, (400, 1))
    low, high = interval(resampled(values, [""] * 400)[:, 0] / 400)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_copies_within_a_part_are_no_new_evidence() -> None:
    values = np.random.default_rng(2).normal(0, 1, (50, 1))
    alone = interval(resampled(values, [f"p{i}" for i in range(50)])[:, 0] / 50)
    copied = interval(resampled(np.repeat(values, 4, 0), [f"p{i // 4}" for i in range(200)])[:, 0] / 200)
    taken_apart = interval(resampled(np.repeat(values, 4, 0), [""] * 200)[:, 0] / 200)
    assert copied[1] - copied[0] == pytest.approx(alone[1] - alone[0], rel=0.1)
    assert taken_apart[1] - taken_apart[0] < 0.6 * (copied[1] - copied[0])


def test_columns_of_a_draw_are_of_the_same_parts_and_the_draws_are_reproducible() -> None:
    values = np.random.default_rng(3).normal(0, 1, (30, 1))
    parts = [f"p{i % 7}" for i in range(30)]
    both = resampled(np.hstack([values, 2 * values]), parts, draws=700)
    assert both.shape == (700, 2)
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0])
    np.testing.assert_array_equal(both, resampled(np.hstack([values, 2 * values]), parts, draws=700))
