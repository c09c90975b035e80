from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any

import pytest

from saec.service.batching import Batcher

Numbers = Batcher[str, int, int]


class Held:
    """A computation that waits to be let go on, and keeps the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, group: str, works: Sequence[int]) -> list[int]:
        self.batches.append((group, list(works)))
        self.entered.release()
        assert self.go.acquire(timeout=30)
        return [10 * work for work in works]


def _busy(held: Held, **how: Any) -> tuple[Numbers, Future[int]]:
    """A batcher whose thread is busy with one request, so that what follows waits."""
    settings: dict[str, Any] = {"batch": 3, "delay": 0.0, "queue": 8}
    batcher = Numbers(held, **settings | how)
    first = submitted(batcher, "first", 0)
    assert held.entered.acquire(timeout=30)
    return batcher, first


def submitted(batcher: Numbers, group: str, work: int) -> Future[int]:
    future = batcher.submit(group, work)
    assert future is not None
    return future


def _finish(batcher: Numbers, held: Held) -> None:
    held.go.release(100)
    batcher.close(30)
    assert not batcher.alive


def test_a_batch_is_of_one_group_oldest_first_and_of_bounded_size() -> None:
    held = Held()
    batcher, first = _busy(held)
    futures = [submitted(batcher, group, i) for i, group in enumerate("abaabaa")]
    assert batcher.depth == 7
    _finish(batcher, held)
    assert [f.result() for f in [first, *futures]] == [0, *(10 * i for i in range(7))]
    assert held.batches[1:] == [("a", [0, 2, 3]), ("b", [1, 4]), ("a", [5, 6])]


def test_a_full_queue_takes_no_more_until_there_is_room() -> None:
    held = Held()
    batcher, _ = _busy(held, queue=2)
    first, *_ = [submitted(batcher, "a", i) for i in range(2)]
    assert batcher.submit("a", 2) is None
    before = batcher.full
    assert first.cancel()
    assert (before, batcher.full) == (True, False)
    assert batcher.submit("a", 3) is not None
    _finish(batcher, held)


def test_who_has_gone_is_dropped_before_anything_is_computed() -> None:
    held = Held()
    batcher, first = _busy(held)
    gone, stays = submitted(batcher, "a", 1), submitted(batcher, "a", 2)
    assert gone.cancel()
    _finish(batcher, held)
    assert stays.result() == 20
    assert held.batches[1:] == [("a", [2])]
    assert not first.cancel()


def test_a_request_waits_for_others_and_a_full_batch_for_nobody() -> None:
    """With an endless delay only a full batch, or the end, lets anything be computed."""
    sizes = []

    def compute(group: str, works: Sequence[int]) -> Sequence[int]:
        sizes.append(len(works))
        return works

    batcher = Numbers(compute, batch=2, delay=1e6, queue=8)
    two = [submitted(batcher, "a", i) for i in range(2)]
    assert not wait(two, timeout=30).not_done
    last = submitted(batcher, "a", 2)
    batcher.close(30)
    assert last.result(30) == 2
    assert sizes == [2, 1]
    assert batcher.submit("a", 3) is None


def test_one_request_that_fails_spoils_no_other() -> None:
    def compute(group: str, works: Sequence[int]) -> Sequence[int]:
        if 13 in works:
            raise ValueError("13")
        return [-work for work in works]

    batcher = Numbers(compute, batch=4, delay=1e6, queue=8)
    futures = [submitted(batcher, "a", work) for work in (1, 13, 2, 3)]
    wait(futures, timeout=30)
    assert [f.result() for f in (futures[0], futures[2], futures[3])] == [-1, -2, -3]
    with pytest.raises(ValueError, match="13"):
        futures[1].result()
    assert batcher.alive
    assert batcher.failures == 0  # since then others succeeded
    batcher.close(30)


def test_failures_one_after_the_other_are_counted() -> None:
    def compute(group: str, works: Sequence[int]) -> Sequence[int]:
        if works[0] < 0:
            raise ValueError
        return works

    batcher = Numbers(compute, batch=1, delay=0.0, queue=8)
    for i in (1, 2, 3):
        assert submitted(batcher, "a", -i).exception(30) is not None
    assert batcher.failures == 3
    assert submitted(batcher, "a", 5).result(30) == 5
    assert batcher.failures == 0
    batcher.close(30)


def test_a_batchs_size_and_time_are_told() -> None:
    told = []
    batcher = Numbers(
        lambda group, works: works, batch=2, delay=1e6, queue=8, observe=lambda *what: told.append(what)
    )
    wait([submitted(batcher, "a", i) for i in range(2)], timeout=30)
    batcher.close(30)
    ((size, seconds),) = told
    assert size == 2
    assert seconds >= 0
