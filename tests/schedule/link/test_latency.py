"""The estimate of the cloud's time: it finds the true line, forgets the past, and promises what is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.schedule.link.latency import ServiceTime

SECONDS = st.floats(1e-3, 10)


def seen(*requests: tuple[int, float]) -> ServiceTime:
    service = ServiceTime()
    for frames, seconds in requests:
        service.observe(frames, seconds)
    return service


def test_it_finds_what_a_request_and_a_frame_take() -> None:
    service = seen(*[(1 + i % 8, 0.1 + 0.02 * (1 + i % 8)) for i in range(40)])
    assert [service.mean(n) for n in (1, 8, 16)] == pytest.approx([0.12, 0.26, 0.42])
    assert service.deviation < 1e-3


def test_without_another_size_it_hopes_that_frames_cost_nothing() -> None:
    service = seen(*[(1, 0.2)] * 10)
    assert service.mean(8) == pytest.approx(0.2)
    service.observe(8, 0.9)
    assert service.mean(8) == pytest.approx(0.9)


def test_it_follows_a_cloud_that_becomes_slower() -> None:
    service = seen(*[(8, 0.2)] * 200, *[(8, 1.0)] * 25)
    assert 0.9 < service.mean(8) <= 1.0


def test_nothing_is_known_before_the_first_answer() -> None:
    service = ServiceTime()
    assert not service.seen
    assert service.mean(8) == 0.0


@given(st.lists(st.tuples(st.integers(1, 64), SECONDS), min_size=1, max_size=30), st.integers(0, 500))
def test_more_ahead_never_promises_sooner(requests: list[tuple[int, float]], ahead: int) -> None:
    service = seen(*requests)
    assert service.mean(64) >= service.mean(1) >= 0.0
    one, more = (service.promise(n, 8, None) for n in (ahead, ahead + 1))
    assert 0.0 <= one <= more + 1e-9
    assert service.promise(ahead, 8, (4, 0.0)) >= one - 1e-9


@pytest.mark.parametrize("spread", [0.0, 0.2, 0.5])
def test_a_promise_is_kept_for_most_frames(spread: float) -> None:
    """A queue of 20 frames at a cloud with jitter: three requests, whose times add up."""
    rng = np.random.default_rng(0)

    def takes(frames: int) -> float:
        return float((0.1 + 0.02 * frames) * np.exp(spread * rng.normal()))

    service, kept = ServiceTime(), 0
    for _ in range(50):
        size = int(rng.integers(1, 9))
        service.observe(size, takes(size))
    for _ in range(300):
        true = sum(takes(8) for _ in range(3))
        kept += true <= service.promise(20, 8, None) + 1e-9
        service.observe(8, takes(8))
    assert kept >= 0.85 * 300
