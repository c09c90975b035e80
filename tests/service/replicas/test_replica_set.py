"""The replicas as one engine, with replicas that a test plays."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from structlog.testing import capture_logs

from saec.service.completions import Answer
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas import replica_set as sets
from saec.service.replicas.messages import ReplicaGoneError, ReplicaReply, ReplicaReport, ReplicaRequest
from saec.service.replicas.prefix_key import prefix_key
from saec.service.replicas.replica_set import ReplicaSet
from saec.service.request_handling import RequestHandler
from saec.service.requests.refusals import RequestRefused, no_such_model
from saec.service.service_settings import ServiceConfig
from tests.service.replicas.test_prefix_routing import question_body

ANSWER = Answer("application/json", b"{}")
Reply = Callable[[str, ReplicaRequest], Awaitable[ReplicaReply]]


class Played:
    """Replicas that answer as a test says."""

    def __init__(self, reply: Reply, names: tuple[str, ...] = ("a", "b")) -> None:
        self.reply, self.names = reply, names
        self.asked: list[tuple[str, ReplicaRequest]] = []
        self.looked = threading.Event()

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        self.asked.append((method, request))
        return await self.reply(method, request)

    def reports(self) -> list[ReplicaReport]:
        self.looked.set()
        return [_report(name) for name in self.names]


def _report(name: str, problems: list[str] | None = None) -> ReplicaReport:
    registry = CollectorRegistry()
    Counter("saec_cloud_tokens", "Tokens.", ["model"], registry=registry).labels("small").inc(3)
    model = {"id": "small", "saec": {"weights_hash": "ab" * 32}}
    return ReplicaReport(name, [model], 2, 0.5, problems or [], list(registry.collect()))


@contextlib.contextmanager
def _fleet(
    reply: Reply, names: tuple[str, ...] = ("a", "b"), **settings: Any
) -> Iterator[tuple[ReplicaSet, Played]]:
    played = Played(reply, names)
    fleet = ReplicaSet(played, ServiceConfig(queue=3, batch=1), ReplicaConfig(**settings))
    assert fleet.wait_for_one(60)
    try:
        yield fleet, played
    finally:
        fleet.close()


async def _good(method: str, request: ReplicaRequest) -> ReplicaReply:
    return ReplicaReply("a", ANSWER) if method == "answer" else ReplicaReply("a", told={"method": method})


def _refusal(call: Awaitable[Any]) -> RequestRefused:
    async def asked() -> RequestRefused:
        with pytest.raises(RequestRefused) as refused:
            await call
        return refused.value

    return asyncio.run(asked())


def test_a_question_goes_on_with_its_asker_and_its_prefix() -> None:
    body = question_body("good", "data:1", "frame", "data:2")
    with _fleet(_good) as (fleet, played):
        assert asyncio.run(fleet.answer(body, "line-1")) == ANSWER
        assert played.asked == [("answer", ReplicaRequest(body, "line-1", prefix_key(body)))]


def test_what_is_told_at_once_comes_from_a_replica() -> None:
    with _fleet(_good) as (fleet, _):
        assert asyncio.run(fleet.tokens(b"")) == {"method": "tokens"}
        assert asyncio.run(fleet.text(b"")) == {"method": "text"}
        assert asyncio.run(fleet.models()) == {"method": "models"}


def test_a_request_whose_replica_has_died_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "_PAUSE", 0.0)
    deaths = iter([True, True, False])

    async def dies(method: str, request: ReplicaRequest) -> ReplicaReply:
        if next(deaths):
            raise ReplicaGoneError("killed")
        return await _good(method, request)

    with _fleet(dies) as (fleet, played):
        assert asyncio.run(fleet.answer(b"body", "x")) == ANSWER
        assert [request.data for _, request in played.asked] == [b"body"] * 3
        text = generate_latest(_registered(fleet)).decode()
    assert "saec_cloud_asked_again_total 2.0" in text


def test_a_request_that_kills_its_replicas_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "_PAUSE", 0.0)

    async def dies(method: str, request: ReplicaRequest) -> ReplicaReply:
        raise ReplicaGoneError("killed")

    with _fleet(dies) as (fleet, played):
        refused = _refusal(fleet.answer(b"", "x"))
        assert (refused.status, refused.code, refused.after) == (503, "replicas_died", 1)
        assert len(played.asked) == 3


def test_an_answer_that_does_not_come_in_time_is_refused() -> None:
    async def hangs(method: str, request: ReplicaRequest) -> ReplicaReply:
        await asyncio.Event().wait()
        raise AssertionError

    with _fleet(hangs, request_s=0.01) as (fleet, _):
        assert _refusal(fleet.answer(b"", "x")).code == "no_replica"


def test_a_refusal_is_the_replicas_own() -> None:
    wrong = RequestRefused(400, "bad_image", "damaged", "send it again", after=3, param="messages")

    async def refuses(method: str, request: ReplicaRequest) -> ReplicaReply:
        return ReplicaReply("a", refused=wrong.fields)

    with _fleet(refuses) as (fleet, played):
        found = _refusal(fleet.answer(b"", "x"))
        assert (found.body, found.status, found.headers) == (wrong.body, wrong.status, wrong.headers)
        assert len(played.asked) == 1


def test_a_model_that_one_replica_does_not_have_yet_is_asked_of_the_others() -> None:
    async def changing(method: str, request: ReplicaRequest) -> ReplicaReply:
        name = next(name for name in "abc" if name not in request.avoid)
        if name == "c":
            return ReplicaReply("c", ANSWER)
        return ReplicaReply(name, refused=no_such_model("new", ["old"]).fields)

    with _fleet(changing, ("a", "b", "c")) as (fleet, played):
        assert asyncio.run(fleet.answer(b"", "x")) == ANSWER
        assert len(played.asked) == 3
    with _fleet(changing, ("a", "b")) as (fleet, played):
        assert _refusal(fleet.answer(b"", "x")).code == "model_not_found"
        assert len(played.asked) == 2


def test_there_is_room_for_so_many_as_the_replicas_take() -> None:
    async def check() -> None:
        opened = asyncio.Event()

        async def waits(method: str, request: ReplicaRequest) -> ReplicaReply:
            await opened.wait()
            return ReplicaReply("a", ANSWER)

        with _fleet(waits) as (fleet, _):
            assert (fleet.room, fleet.depth, fleet.wait) == (8, 4, 0.5)
            handler = RequestHandler(fleet, ServiceConfig(queue=3, batch=1))
            asked = [asyncio.create_task(fleet.answer(b"", "x")) for _ in range(8)]
            await asyncio.sleep(0)
            assert fleet.full
            with pytest.raises(RequestRefused) as refused, handler.place("x"):
                pass
            assert refused.value.code == "queue_full"
            opened.set()
            await asyncio.gather(*asked)
            assert not fleet.full

    asyncio.run(check())


def test_it_is_ready_while_one_replica_is_well() -> None:
    with _fleet(_good) as (fleet, played):
        assert fleet.problems() == []
        played.reports = lambda: [_report("a", ["stuck"]), _report("b")]  # type: ignore[method-assign]
        fleet.look()
        assert fleet.problems() == []
        played.reports = lambda: [_report("a", ["stuck"])]  # type: ignore[method-assign]
        fleet.look()
        assert fleet.problems() == ["a: stuck"]
        played.reports = list  # type: ignore[method-assign]
        fleet.look()
        assert fleet.problems() == ["no replica answers"]
        assert fleet.room == 4


def test_replicas_are_counted_under_the_names_of_one_process() -> None:
    with _fleet(_good) as (fleet, _):
        text = generate_latest(_registered(fleet)).decode()
    for name in "ab":
        assert f'saec_cloud_tokens_total{{model="small",replica="{name}"}} 3.0' in text
        assert f'saec_cloud_weights{{hash="{"ab" * 32}",model="small",replica="{name}"}} 1.0' in text
    assert "saec_cloud_replicas 2.0" in text


def test_closing_ends_what_was_opened_with_it() -> None:
    ended: list[int] = []
    fleet = ReplicaSet(Played(_good), ServiceConfig(), ReplicaConfig(), lambda: ended.append(1))
    fleet.close()
    assert ended == [1]
    assert not fleet.status()["alive"]


def _registered(fleet: ReplicaSet) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(fleet.metrics)
    return registry


def test_who_comes_and_goes_is_logged_once() -> None:
    with _fleet(_good) as (fleet, played):
        fleet.look()
        played.names = ("b", "c", "d")
        with capture_logs() as logs:
            fleet.look()
            fleet.look()
    told = [(one["event"], one["replica"], one["replicas"]) for one in logs]
    assert told == [("replica gone", "a", 3), ("replica there", "c", 3), ("replica there", "d", 3)]
