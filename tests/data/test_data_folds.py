"""Folds and groups: together what belongs together, balanced, the same whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.data.folds import group_ids, part_folds
from saec.errors import DataError

names = st.lists(st.sampled_from(["", *"abcdefgh"]), min_size=8, max_size=60)


@given(names, st.integers(1, 3), st.integers(0, 5))
def test_groups_share_a_fold_and_no_fold_is_empty(groups: list[str], k: int, seed: int) -> None:
    if len({g or i for i, g in enumerate(groups)}) < k:
        with pytest.raises(DataError):
            part_folds(groups, k, seed)
        return
    folds = part_folds(groups, k, seed)
    for name in set(groups) - {""}:
        assert len({f for f, g in zip(folds, groups, strict=True) if g == name}) == 1
    assert set(folds.tolist()) == set(range(k))
    largest = max(groups.count(g) if g else 1 for g in groups)
    sizes = np.bincount(folds, minlength=k)
    assert sizes.max() - sizes.min() <= largest


@given(st.integers(5, 200), st.integers(2, 5), st.integers(0, 9))
def test_single_items_are_spread_evenly(n: int, k: int, seed: int) -> None:
    sizes = np.bincount(part_folds([""] * n, k, seed), minlength=k)
    assert sizes.max() - sizes.min() <= 1


@given(st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=40))
def test_named_groups_do_not_depend_on_the_order(groups: list[str]) -> None:
    if len(set(groups)) < 2:
        return
    order = np.random.default_rng(len(groups)).permutation(len(groups))
    there = part_folds(groups, 2, 7)
    back = part_folds([groups[i] for i in order], 2, 7)
    np.testing.assert_array_equal(there[order], back)


def test_the_seed_matters_and_repeats() -> None:
    groups = [str(i) for i in range(40)]
    np.testing.assert_array_equal(part_folds(groups, 5, 1), part_folds(groups, 5, 1))
    assert (part_folds(groups, 5, 1) != part_folds(groups, 5, 2)).any()


def test_group_ids_join_by_part_and_by_content() -> None:
    ids = group_ids(["p", "p", "q", "", ""], ["3", "1", "1", "5", "5"])
    assert ids == ["1", "1", "1", "5", "5"]
    assert group_ids(["", "p"], ["9", "2"]) == ["9", "2"]


@given(st.lists(st.tuples(st.sampled_from(["", "p", "q", "r"]), st.sampled_from("0123456789")), max_size=20))
def test_group_ids_are_an_equivalence(images: list[tuple[str, str]]) -> None:
    ids = group_ids([p for p, _ in images], [h for _, h in images])
    shuffled = group_ids([p for p, _ in images[::-1]], [h for _, h in images[::-1]])
    assert ids == shuffled[::-1]
    for (p1, h1), i1 in zip(images, ids, strict=True):
        for (p2, h2), i2 in zip(images, ids, strict=True):
            if h1 == h2 or (p1 and p1 == p2):
                assert i1 == i2
