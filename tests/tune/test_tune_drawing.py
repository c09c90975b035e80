from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import DataError
from saec.tune.sample_order import epoch_order, references_of
from saec.tune.samples import TrainingSample


def sample(n: int, *, label: int = 0, category: str = "a", part: str = "") -> TrainingSample:
    return TrainingSample(
        id=f"{n}", image=Path(f"{n}.png"), label=label, category=category, part=part, sha256=f"{n:064x}"[::-1]
    )


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.integers(0, 99))
def test_an_epoch_is_balanced_and_goes_through_each_class_evenly(
    goods: int, defects: int, epochs: int, seed: int
) -> None:
    labels = [0] * goods + [1] * defects
    orders = [epoch_order(labels, e, seed) for e in range(epochs + 1)]
    seen = Counter(i for order in orders for i in order)
    assert {len(o) for o in orders} == {2 * -(-len(labels) // 2)}
    assert all([labels[i] for i in o] == [0, 1] * (len(o) // 2) for o in orders)
    for label in (0, 1):
        times = [seen[i] for i, value in enumerate(labels) if value == label]
        assert max(times) - min(times) <= 1


def test_the_order_is_that_of_seed_and_epoch() -> None:
    labels = [0] * 20 + [1] * 5
    assert epoch_order(labels, 1, 3) == epoch_order(labels, 1, 3)
    assert epoch_order(labels, 1, 3) != epoch_order(labels, 2, 3)
    assert epoch_order(labels, 1, 3) != epoch_order(labels, 1, 4)


@given(st.lists(st.sampled_from(["", "p", "q"]), min_size=6, max_size=12), st.integers(0, 2))
def test_references_show_neither_the_image_nor_its_part(parts: list[str], count: int) -> None:
    goods = [sample(i, part=part) for i, part in enumerate(parts)]
    asked = goods[0]
    free = [g for g in goods[1:] if not (asked.part and g.part == asked.part)]
    others = [*goods, sample(99, category="b")]
    if len(free) < count:
        with pytest.raises(DataError, match="references"):
            references_of(asked, others, count, (0, 1))
        return
    shown = references_of(asked, others, count, (0, 1))
    assert len({s.id for s in shown}) == count
    assert all(s in free for s in shown)
    assert shown == references_of(asked, others, count, (0, 1))


def test_references_change_with_the_epoch() -> None:
    goods = [sample(i) for i in range(50)]
    assert len({references_of(goods[0], goods, 1, (0, e))[0].id for e in range(5)}) > 1
