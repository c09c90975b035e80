"""The waiting list keeps order and number with little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.frame.channels import AbortedError, Channel
from saec.runs.waiting_list import WaitingList
from saec.types import EdgeRecord, Pending, Route, Source


def pending(i: int) -> Pending:
    return Pending(
        source=Source(id=f"{i} ü\n", path=f"/p/{i}", truth=i % 2),
        sha256="0",
        time=float(i),
        edge=EdgeRecord(i / 3, 1),
        route=Route("cloud", "unsure"),
        focus=(1, 2, 3, i + 4),
        ms={"decode": 1.5},
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(-5, 7), max_size=30))
def test_first_in_first_out_through_memory_and_file(memory: int, steps: list[int]) -> None:
    """Positive steps put that many, the others take up to that many."""
    waiting = WaitingList(memory)
    put: list[Any] = []
    taken: list[Any] = []
    for step in steps:
        for _ in range(step):
            put.append(pending(len(put)))
            waiting.put(put[-1])
        if step < 0 and len(waiting):
            batch = waiting.take(-step)
            assert 1 <= len(batch) <= -step
            taken += batch
        assert len(waiting) == len(put) - len(taken)
    waiting.close()
    while batch := waiting.take(3):
        taken += batch
    assert taken == put
    waiting.close_file()


def test_memory_holds_the_head_only_and_the_file_shrinks_again(tmp_path: Path) -> None:
    waiting = WaitingList(memory=4, folder=tmp_path)
    for i in range(100):
        waiting.put(pending(i))
    assert len(waiting._head) == 4
    assert waiting._file.seek(0, 2) > 0
    while len(waiting):
        waiting.take(7)
        assert len(waiting._head) <= 4
    assert waiting._file.seek(0, 2) == 0
    waiting.close_file()


def test_a_taker_waits_and_is_woken_by_put_close_and_abort() -> None:
    ways: tuple[tuple[Callable[[WaitingList], object], object], ...] = (
        (lambda w: w.put(pending(1)), [pending(1)]),
        (lambda w: w.close(), []),
        (lambda w: w.abort(), AbortedError),
    )
    for wake, expected in ways:
        waiting = WaitingList()
        got: list[Any] = []

        def take(waiting: WaitingList = waiting, got: list[object] = got) -> None:
            try:
                got.append(waiting.take(2))
            except AbortedError:
                got.append(AbortedError)

        thread = threading.Thread(target=take)
        thread.start()
        wake(waiting)
        thread.join(60)
        assert got == [expected]
        waiting.close_file()


def test_a_full_channel_blocks_until_taken_or_aborted() -> None:
    channel: Channel[int] = Channel(2)
    done = threading.Event()

    def produce() -> None:
        for i in range(5):
            channel.put(i)
        channel.close()
        done.set()

    thread = threading.Thread(target=produce)
    thread.start()
    assert not done.wait(0.05)
    assert list(channel) == [0, 1, 2, 3, 4]
    thread.join(60)
    channel.abort()
    with pytest.raises(AbortedError):
        channel.put(1)
