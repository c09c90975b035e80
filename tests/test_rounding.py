"""The bound on rounding holds for sums added up in any order, and is no wider than it must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.rounding import UNIT, apart, apart_in_probability

pytestmark = pytest.mark.numeric


def _one_after_another(terms: np.ndarray) -> float:
    total = np.float32(0)
    for term in terms:
        total = np.float32(total + term)
    return float(total)


@given(st.integers(1, 2000), st.integers(0, 10**6), st.booleans())
def test_two_orders_of_one_sum_lie_within_it(length: int, seed: int, positive: bool) -> None:
    rng = np.random.default_rng(seed)
    terms = (rng.random(length) if positive else rng.normal(size=length)).astype(np.float32)
    allowed = apart(length, float(np.abs(terms).sum()))
    orders = [terms, terms[::-1], np.sort(terms), rng.permutation(terms)]
    sums = [*map(_one_after_another, orders), float(terms.sum()), float(terms.astype(float).sum())]
    assert max(sums) - min(sums) <= allowed


@given(st.integers(2, 2000), st.integers(0, 10**6))
def test_a_dropped_term_lies_outside_it(length: int, seed: int) -> None:
    terms = np.random.default_rng(seed).uniform(1, 2, length).astype(np.float32)
    allowed = apart(length, float(terms.sum()))
    assert abs(_one_after_another(terms) - _one_after_another(terms[1:])) > 10 * allowed


def test_fewer_bits_and_longer_sums_explain_more() -> None:
    assert apart(100, 1.0, "float64") < apart(100, 1.0) < apart(100, 1.0, "bfloat16")
    assert apart(400, 1.0) == pytest.approx(2 * apart(100, 1.0), rel=1e-4)
    assert apart(1, 1.0) == pytest.approx(2 * UNIT["float32"])
    assert apart(10, -3.0) == 3 * apart(10, 1.0)


@given(st.floats(-20, 20), st.floats(0, 1e-2))
def test_an_opinion_moves_by_half_of_its_logits(difference: float, off: float) -> None:
    def p(z: float) -> float:
        return float(1 / (1 + np.exp(-z)))

    assert abs(p(difference + 2 * off) - p(difference)) <= apart_in_probability(off) + 1e-15
