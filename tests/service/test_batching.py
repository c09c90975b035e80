from __future__ import annotations

import threading
from concurrent.futures import wait
from concurrent.futures._base import Future
from typing import Any

import pytest

from saec.service.batching import Batcher


class Held:
    """A computation that waits to be let go on, and keeps the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, group: str, works: list[int]) -> list[int]:
        self.batches.append((group, list(works)))
        self.entered.release()
        assert self.go.acquire(timeout=30)
        return [10 * work for work in works]


def _busy(held: Held, **how: Any) -> tuple[Batcher, Future]:
    """A batcher whose thread is busy with one request, so that what follows waits."""
    batcher = Batcher(held, **{"batch": 3, "delay": 0.0, "queue": 8} | how)
    first = batcher.submit("first", 0)
    assert held.entered.acquire(timeout=30)
    return batcher, first


def _finish(batcher: Batcher, held: Held) -> None:
    held.go.release(100)
    batcher.close(30)
    assert not batcher.alive


def test_a_batch_is_of_one_group_oldest_first_and_of_bounded_size() -> None:
    held = Held()
    batcher, first = _busy(held)
    futures = [batcher.submit(group, i) for i, group in enumerate("abaabaa")]
    assert batcher.depth == 7
    _finish(batcher, held)
    assert [f.result() for f in [first, *futures]] == [0, *(10 * i for i in range(7))]
    assert held.batches[1:] == [("a", [0, 2, 3]), ("b", [1, 4]), ("a", [5, 6])]


def test_a_full_queue_takes_no_more_until_there_is_room() -> None:
    held = Held()
    batcher, _ = _busy(held, queue=2)
    futures = [batcher.submit("a", i) for i in range(3)]
    assert batcher.full
    assert futures[2] is None
    assert futures[0].cancel()
    assert not batcher.full
    assert batcher.submit("a", 3) is not None
    _finish(batcher, held)


def test_who_has_gone_is_dropped_before_anything_is_computed() -> None:
    held = Held()
    batcher, first = _busy(held)
    gone, stays = batcher.submit("a", 1), batcher.submit("a", 2)
    assert gone.cancel()
    _finish(batcher, held)
    assert stays.result() == 20
    assert held.batches[1:] == [("a", [2])]
    assert not first.cancel()


def test_a_request_waits_for_others_and_a_full_batch_for_nobody() -> None:
    """With an endless delay only a full batch, or the end, lets anything be computed."""
    sizes = []

    def compute(group: str, works: list[int]) -> list[int]:
        sizes.append(len(works))
        return works

    batcher = Batcher(compute, batch=2, delay=1e6, queue=8)
    two = [batcher.submit("a", i) for i in range(2)]
    assert not wait(two, timeout=30).not_done
    last = batcher.submit("a", 2)
    batcher.close(30)
    assert last.result(30) == 2
    assert sizes == [2, 1]
    assert batcher.submit("a", 3) is None


def test_one_request_that_fails_spoils_no_other() -> None:
    def compute(group: str, works: list[int]) -> list[int] | None:
        if 13 in works:
            raise ValueError("13")
        return [-work for work in works]

    batcher = Batcher(compute, batch=4, delay=1e6, queue=8)
    futures = [batcher.submit("a", work) for work in (1, 13, 2, 3)]
    wait(futures, timeout=30)
    assert [f.result() for f in (futures[0], futures[2], futures[3])] == [-1, -2, -3]
    with pytest.raises(ValueError, match="13"):
        futures[1].result()
    assert batcher.alive
    assert batcher.failures == 0  # since then others succeeded
    batcher.close(30)


def test_failures_one_after_the_other_are_counted() -> None:
    def compute(group: str, works: list[int]) -> list[int] | None:
        if works[0] < 0:
            raise ValueError
        return works

    batcher = Batcher(compute, batch=1, delay=0.0, queue=8)
    for i in (1, 2, 3):
        assert batcher.submit("a", -i).exception(30) is not None
    assert batcher.failures == 3
    assert batcher.submit("a", 5).result(30) == 5
    assert batcher.failures == 0
    batcher.close(30)


def test_a_batchs_size_and_time_are_told() -> None:
    told = []
    batcher = Batcher(
        lambda group, works: works, batch=2, delay=1e6, queue=8, observe=lambda *what: told.append(what)
    )
    wait([batcher.submit("a", i) for i in range(2)], timeout=30)
    batcher.close(30)
    ((size, seconds),) = told
    assert size == 2
    assert seconds >= 0
