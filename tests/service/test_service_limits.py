from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.service.idempotency import IdempotentAnswers
from saec.service.requests.refusals import RequestRefused
from saec.web.admission.rate_limits import RateLimiter


def test_a_second_of_requests_may_come_at_once_then_they_come_at_the_rate() -> None:
    rates = RateLimiter(2.0)
    assert [rates.wait("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert rates.wait("b", 0.0) == 0.0  # each name has its own
    assert rates.wait("a", 0.5) == 0.0
    assert rates.wait("a", 0.5) == 0.5


def test_a_rate_below_one_still_lets_one_through() -> None:
    rates = RateLimiter(0.1)
    assert rates.wait("a", 0.0) == 0.0
    assert rates.wait("a", 0.0) == pytest.approx(10.0)
    assert rates.wait("a", 10.0) == 0.0


def test_no_rate_is_no_limit() -> None:
    rates = RateLimiter(None)
    assert {rates.wait("a", 0.0) for _ in range(1000)} == {0.0}


@given(st.floats(0.1, 50), st.lists(st.floats(0, 2), max_size=60))
def test_never_more_than_the_rate_and_who_waits_as_told_is_let_in(rate: float, gaps: list[float]) -> None:
    rates, now = RateLimiter(rate), 0.0
    for let_in, gap in enumerate(gaps, start=1):
        now += gap
        wait = rates.wait("a", now)
        if wait:
            assert rates.wait("a", now + wait + 1e-6) == 0.0
            now += wait + 1e-6
        assert let_in <= max(1.0, rate) + rate * now + 1e-3


def _made(calls: list[str], value: str = "answer") -> Callable[[], Coroutine[Any, Any, str]]:
    async def make() -> str:
        calls.append(value)
        await asyncio.sleep(0)
        return value

    return make


def test_the_same_request_is_computed_once_also_while_it_is_under_way() -> None:
    async def run() -> tuple[list[str], list[str]]:
        once: IdempotentAnswers[str] = IdempotentAnswers(8)
        calls: list[str] = []
        make = _made(calls)
        together = await asyncio.gather(*(once.run(("a", "k"), b"1", make) for _ in range(3)))
        later = await once.run(("a", "k"), b"1", make)
        other = await once.run(("b", "k"), b"1", make)  # another station's key is another key
        await once.run(None, b"1", make)
        return [*together, later, other], calls

    answers, calls = asyncio.run(run())
    assert answers == ["answer"] * 5
    assert len(calls) == 3


def test_a_key_with_another_body_is_refused() -> None:
    async def run() -> None:
        once: IdempotentAnswers[str] = IdempotentAnswers(8)
        await once.run(("a", "k"), b"1", _made([]))
        await once.run(("a", "k"), b"2", _made([]))

    with pytest.raises(RequestRefused) as refused:
        asyncio.run(run())
    assert refused.value.status == 422


def test_a_failure_is_not_remembered() -> None:
    async def fail() -> str:
        raise RequestRefused(429, "queue_full", "no memory")

    async def run() -> str:
        once: IdempotentAnswers[str] = IdempotentAnswers(8)
        calls: list[str] = []
        with pytest.raises(RequestRefused):
            await once.run(("a", "k"), b"1", fail)
        return await once.run(("a", "k"), b"1", _made(calls))

    assert asyncio.run(run()) == "answer"


def test_only_so_many_answers_are_kept_the_ones_used_last() -> None:
    async def run() -> list[str]:
        once: IdempotentAnswers[str] = IdempotentAnswers(2)
        calls: list[str] = []
        for key in ("k1", "k2", "k1", "k3", "k1", "k2"):
            await once.run(("a", key), b"1", _made(calls, key))
        return calls

    assert asyncio.run(run()) == ["k1", "k2", "k3", "k2"]


def test_what_nobody_waits_for_any_more_is_cancelled() -> None:
    async def run() -> tuple[list[Any], list[Any], str]:
        once: IdempotentAnswers[str] = IdempotentAnswers(8)
        begun = asyncio.Event()
        ended: list[Any] = []

        async def make() -> str:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
            return "nobody waits for it"

        waiting = [asyncio.create_task(once.run(("a", "k"), b"1", make)) for _ in range(2)]
        await begun.wait()
        waiting[0].cancel()
        await asyncio.wait({waiting[0]})
        still = list(ended)
        waiting[1].cancel()
        await asyncio.wait({waiting[1]})
        again = await once.run(("a", "k"), b"1", _made([]))
        await asyncio.sleep(0)
        return still, ended, again

    assert asyncio.run(run()) == ([], [True], "answer")
