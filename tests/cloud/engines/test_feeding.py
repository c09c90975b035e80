"""Work done ahead keeps its order and its bound; remembered sizes are never those of another image."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.cloud.engines.prefetch import Resized
from saec.cloud.questions.image_patches import resized
from saec.reading_ahead import ahead
from tests.cloud.helpers_cloud import noise


@given(items=st.lists(st.integers()), limit=st.integers(1, 9), threads=st.integers(1, 4))
def test_results_come_in_order(items: list[int], limit: int, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        assert list(ahead(pool, lambda n: n + 1, items, limit)) == [n + 1 for n in items]


def test_no_more_is_taken_from_the_source_than_there_is_room_for() -> None:
    taken = []

    def source() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    with ThreadPoolExecutor(2) as pool:
        found = ahead(pool, lambda n: n, source(), 4)
        assert next(found) == 0
        assert len(taken) <= 5
        found.close()
    assert len(taken) <= 5


def test_what_is_no_longer_wanted_is_not_begun() -> None:
    begun, closed = [], threading.Event()

    def work(n: int) -> int:
        begun.append(n)
        if n:
            closed.wait()
        return n

    with ThreadPoolExecutor(1) as pool:
        found = ahead(pool, work, range(100), 4)
        assert next(found) == 0
        found.close()
        closed.set()
    assert set(begun) <= {0, 1}


def test_an_error_comes_where_its_item_would_have_come_and_ends_the_work() -> None:
    begun = threading.Semaphore(0)

    def work(n: int) -> int | None:
        begun.release()
        if n == 2:
            raise ValueError("two")
        return n

    with ThreadPoolExecutor(1) as pool:
        found = ahead(pool, work, range(100), 3)
        assert [next(found), next(found)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(found)


def test_what_nobody_can_write_to_is_remembered_and_the_rest_is_not() -> None:
    sizes, image = Resized(), noise(0)
    assert np.array_equal(sizes.get(image, (56, 56)), resized(image, (56, 56)))
    assert sizes.get(image, (56, 56)) is not sizes.get(image, (56, 56))
    image[:] = 0
    assert not sizes.get(image, (56, 56)).any()
    image.flags.writeable = False
    assert sizes.get(image, (56, 56)) is sizes.get(image, (56, 56))
    assert sizes.get(image, (28, 84)).shape == (28, 84, 3)


def test_an_image_at_the_address_of_one_that_is_gone_is_not_taken_for_it() -> None:
    sizes = Resized()
    for seed in range(50):
        image = noise(seed, 64, 64)
        image.flags.writeable = False
        assert np.array_equal(sizes.get(image, (28, 28)), resized(image, (28, 28)))
        del image
