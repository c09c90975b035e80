"""Confidence distributions of a share against the laws themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from saec.schedule.review_rates.share_bounds import ShareBounds
from saec.schedule.statistics.exact_interval import clopper_pearson


@pytest.mark.parametrize(("population", "sample", "positives"), [(40, 12, 0), (40, 12, 5), (200, 50, 49)])
def test_limits_are_those_of_every_number_of_positives_tried(
    population: int, sample: int, positives: int
) -> None:
    bounds = ShareBounds(population, sample, positives, positives)
    at = np.arange(population + 1)
    as_many = hypergeom.sf(positives - 1, population, at, sample)
    as_few = hypergeom.cdf(positives, population, at, sample)
    low, high = bounds.low(positives, np.array([0.05]))[0], bounds.high(positives, np.array([0.95]))[0]
    assert low * population == at[as_many > 0.05].min()
    assert high * population == at[as_few > 0.05].max()


def test_a_large_population_gives_clopper_and_pearson() -> None:
    bounds = ShareBounds(10**6, 80, 3, 3)
    known = clopper_pearson(3, 80, 0.9)
    assert known is not None
    assert bounds.low(3, np.array([0.05]))[0] == pytest.approx(known[0])
    assert bounds.high(3, np.array([0.95]))[0] == pytest.approx(known[1])


def test_a_population_just_large_enough_is_near_the_law_of_an_endless_one() -> None:
    finite, endless = ShareBounds(19_000, 200, 0, 30), ShareBounds(21_000, 200, 0, 30)
    levels = np.array([0.05, 0.5, 0.95])
    for positives in (0, 4, 30):
        for few, many in ((finite.low, endless.low), (finite.high, endless.high)):
            assert few(positives, levels) == pytest.approx(many(positives, levels), rel=0.05, abs=3e-4)


def test_a_whole_population_is_known() -> None:
    bounds = ShareBounds(30, 30, 4, 4)
    levels = np.array([0.01, 0.99])
    assert list(bounds.low(4, levels)) == list(bounds.high(4, levels)) == [4 / 30, 4 / 30]


def test_without_a_review_all_is_open() -> None:
    bounds = ShareBounds(30, 0, 0, 0)
    levels = np.array([0.01, 0.99])
    assert list(bounds.low(0, levels)) == [0.0, 0.0]
    assert list(bounds.high(0, levels)) == [1.0, 1.0]


def test_what_lies_between_both_limits_has_the_share_as_its_mean() -> None:
    levels = (np.arange(4000) + 0.5) / 4000
    sides = np.random.default_rng(0).permutation(levels)
    bounds = ShareBounds(10**6, 50, 7, 7)
    assert bounds.middle(7, levels, sides).mean() == pytest.approx(7 / 50, abs=2e-3)
