"""One client, two of our own services: one dies, is slow, is busy, stops or changes its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.cloud.remote.address_pool import AddressFigures
from saec.cloud.remote.engine import RemoteEngine
from saec.cloud.remote.model_list import introduced
from saec.errors import LinkError
from saec.frame.cloud_services import at_service
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig, RemoteConfig
from saec.types import CloudQuery, Frame
from tests.helpers_numeric import same_opinions
from tests.service.service_helpers import GREY, Gate, client, noise, running, scoring_body, wait_until

OTHER = "0b" * 32


def _queries(*seeds: int) -> list[CloudQuery]:
    return [CloudQuery(Frame(f"frame-{seed}", noise(seed)), ()) for seed in seeds]


def _with_weights(served: ServedModel, weights: str) -> ServedModel:
    """The same model, which says that it has other weights."""
    other = copy.copy(served)
    other.entries = {name: replace(entry, weights_hash=weights) for name, entry in served.entries.items()}
    return other


@pytest.fixture
def opened() -> Iterator[Callable[..., RemoteEngine]]:
    """Opens a client of some services, as a command does."""
    engines: list[RemoteEngine] = []

    def open_(*where: str, **how: Any) -> RemoteEngine:
        urls = ",".join(f"{one}/v1" for one in where)
        remote = RemoteConfig(url=urls, **{"timeout_s": 60.0, **how})
        config = CloudConfig(model=urls, references=0, remote=remote)
        engine = open_engine(at_service(config, *introduced(remote, "small")))
        assert isinstance(engine, RemoteEngine)
        engines.append(engine)
        return engine

    yield open_
    for engine in engines:
        engine.close()


def _figures(engine: RemoteEngine) -> list[AddressFigures]:
    return list(engine.addresses.values())


def test_one_dies_and_the_answers_go_on_unchanged(
    served: ServedModel, engine: QwenEngine, opened: Callable[..., RemoteEngine]
) -> None:
    queries = _queries(1, 2, 3)
    expected = [opinion.p_defect for opinion in engine.judge(queries)]
    with ExitStack() as first, running(served) as (second, _):
        remote = opened(first.enter_context(running(served))[0], second)
        same_opinions(engine, [o.p_defect for o in remote.judge(queries)], expected)
        first.close()
        same_opinions(engine, [o.p_defect for o in remote.judge(queries)], expected)
        assert [one.state for one in _figures(remote)] == ["resting", "up"]


def test_a_slow_one_is_hedged_and_drops_what_it_need_not_compute(
    served: ServedModel, opened: Callable[..., RemoteEngine]
) -> None:
    """The first computes for somebody else; the hedged request waits in its queue, and leaves it."""
    gate = Gate(served)
    with (
        running(gate.served) as (first, _),
        running(served) as (second, _),
        client(first) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        busy = pool.submit(http.post, "/v1/chat/completions", json=scoring_body(GREY))
        assert gate.entered.acquire(timeout=60)
        remote = opened(first, second, hedge_after_s=0.05)
        (opinion,) = remote.judge(_queries(4))
        assert 0.0 <= opinion.p_defect <= 1.0
        slow, quick = _figures(remote)
        assert (slow.failed, quick.failed, quick.hedged >= 1) == (0, 0, True)
        wait_until(lambda: "saec_cloud_queue 0.0" in http.get("/metrics").text)
        gate.open.set()
        assert busy.result(60).status_code == 200
    assert [size for _, size in gate.batches] == [1]


def test_a_busy_one_is_left_for_the_other(served: ServedModel, opened: Callable[..., RemoteEngine]) -> None:
    """It says 429 while its queue is full."""
    gate = Gate(served)
    config = ServiceConfig(max_delay_ms=0.0, requests_per_s=1)
    with running(gate.served, config) as (first, _), running(served) as (second, _):
        gate.open.set()
        remote = opened(first, second)
        assert len(remote.judge(_queries(*range(5, 13)))) == 8
        busy, free = _figures(remote)
        assert busy.failed >= 1
        assert free.asked >= 1


def test_one_that_stops_hands_over(served: ServedModel, opened: Callable[..., RemoteEngine]) -> None:
    with running(served) as (first, handler), running(served) as (second, _):
        remote = opened(first, second)
        handler.draining = True
        assert len(remote.judge(_queries(13, 14))) == 2
        stopping, up = _figures(remote)
        assert stopping.failed >= 1
        assert up.failed == 0


def test_a_rolling_change_takes_out_one_after_the_other(
    served: ServedModel, opened: Callable[..., RemoteEngine]
) -> None:
    one, two = copy.copy(served), copy.copy(served)
    with running(one) as (first, _), running(two) as (second, _):
        remote = opened(first, second)
        assert remote.judge(_queries(15))
        one.entries = _with_weights(served, OTHER).entries
        (opinion,) = remote.judge(_queries(16))
        assert opinion.weights == remote.weights_hash[:12]
        assert [f.state for f in _figures(remote)] == ["other weights", "up"]
        two.entries = one.entries
        with pytest.raises(LinkError, match="other weights"):
            remote.judge(_queries(17))
        asked = [f.asked for f in _figures(remote)]
        with pytest.raises(LinkError, match="other weights"):
            remote.judge(_queries(18))
        assert [f.asked for f in _figures(remote)] == asked, "no frame goes to weights that are not trusted"
        one.entries = served.entries
        wait_until(lambda: _figures(remote)[0].state == "up")
        assert remote.judge(_queries(19))


def test_two_sites_with_other_weights_are_not_mixed(
    served: ServedModel, opened: Callable[..., RemoteEngine]
) -> None:
    elsewhere = _with_weights(served, OTHER)
    with ExitStack() as first, running(elsewhere) as (second, _):
        remote = opened(first.enter_context(running(served))[0], second, retries=0)
        assert [one.weights for one in _figures(remote)] == [remote.weights_hash, OTHER]
        assert remote.judge(_queries(20))
        first.close()
        with pytest.raises(LinkError):
            remote.judge(_queries(21))
        assert _figures(remote)[1].asked == 0


def test_hedging_gives_each_frame_one_answer(
    served: ServedModel, engine: QwenEngine, opened: Callable[..., RemoteEngine]
) -> None:
    """Both services answer everything, the hedge at once."""
    queries = _queries(*range(22, 30))
    expected = [opinion.p_defect for opinion in engine.judge(queries)]
    with running(served) as (first, _), running(served) as (second, _):
        remote = opened(first, second, hedge_after_s=0.001)
        same_opinions(engine, [o.p_defect for o in remote.judge(queries)], expected)
        assert sum(one.hedged for one in _figures(remote)) >= 1
