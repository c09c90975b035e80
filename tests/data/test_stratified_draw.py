"""Some of many images: every label, in its share, the same ones each time, and more for a larger number."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from saec.data.stratified_draw import stratified_sample

kinds = st.sampled_from([(0, "good"), (1, "cut"), (1, "hole"), (1, ""), (None, "")])
sets = st.lists(kinds, min_size=1, max_size=80)


def test_mvtecs_order_of_names_does_not_hide_the_goods() -> None:
    # bottle: its defects come before its goods by name.
    strata = [(1, "broken_large")] * 20 + [(1, "broken_small")] * 22 + [(1, "contamination")] * 21
    strata += [(0, "good")] * 20
    drawn = Counter(strata[i][1] for i in stratified_sample(strata, 16))
    assert drawn == {"broken_large": 4, "broken_small": 4, "contamination": 4, "good": 4}


@given(sets, st.integers(1, 100), st.integers(0, 3))
def test_each_label_has_its_share_and_at_least_one(
    strata: list[tuple[int | None, str]], count: int, seed: int
) -> None:
    chosen = stratified_sample(strata, count, seed=seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(strata))
    assert chosen == sorted(chosen)
    labels = Counter(label for label, _ in strata)
    found = Counter(strata[i][0] for i in chosen)
    if count >= len(labels):
        assert set(found) == set(labels)
    for label, size in labels.items():
        assert abs(found[label] - len(chosen) * size / len(strata)) <= len(labels)


@given(sets, st.integers(1, 40), st.integers(1, 40))
def test_a_larger_number_adds_to_a_smaller_one(
    strata: list[tuple[int | None, str]], count: int, more: int
) -> None:
    assert set(stratified_sample(strata, count)) <= set(stratified_sample(strata, count + more))


def test_the_seed_draws_others_and_the_same_one_draws_the_same() -> None:
    strata = [(None, "")] * 1000
    assert stratified_sample(strata, 20) == stratified_sample(strata, 20)
    assert stratified_sample(strata, 20) != stratified_sample(strata, 20, seed=1)
    assert stratified_sample(strata, 20) != list(range(20))
