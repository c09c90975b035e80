"""Several addresses of one service, each a real server: fail-over, hedging, other weights; one answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from saec.cloud.remote.http_client import Poster
from saec.errors import AnswerError, ConfigError, LinkError
from saec.settings import RemoteConfig
from tests.cloud.model_server import BROKEN, Answer, Asked, Server, listed, serving
from tests.processes import eventually

TRUSTED, OTHER = "aa" * 32, "bb" * 32


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with serving() as first, serving() as second:
        first.answer, second.answer = _from("first"), _from("second")
        yield first, second


def _from(name: str, weights: str | None = None) -> Callable[[Asked], Answer]:
    return lambda _: (200, {}, {"from": name, "system_fingerprint": weights})


def _status(status: object, **headers: str) -> Callable[[Asked], Answer]:
    return lambda _: (status, {k.replace("_", "-"): v for k, v in headers.items()}, {"message": "no"})


@pytest.fixture
def open_poster(servers: tuple[Server, Server]) -> Iterator[Callable[..., Poster]]:
    opened = []

    def open_(**settings: Any) -> Poster:
        url = settings.pop("url", ", ".join(server.url for server in servers))
        sleep = {"sleep": settings.pop("sleep")} if "sleep" in settings else {}
        opened.append(Poster(RemoteConfig(url=url, **settings), "small", **sleep))
        return opened[-1]

    yield open_
    for poster in opened:
        poster.close()


def _post(poster: Poster, **body: str) -> str:
    answer = poster.post("chat/completions", body)
    assert isinstance(answer, dict)
    return str(answer["from"])


def _closed_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/v1"


async def _never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s, though another address could be asked")


def test_the_first_address_is_asked_alone_while_it_answers(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    poster = open_poster()
    assert [_post(poster) for _ in range(3)] == ["first"] * 3
    assert servers[1].asked == []


def test_spread_uses_both(servers: tuple[Server, Server], open_poster: Callable[..., Poster]) -> None:
    poster, both = open_poster(spread=True), threading.Barrier(2, timeout=60)

    def answer(_: Asked) -> Answer:
        both.wait()
        return 200, {}, {"from": "x"}

    servers[0].answer = servers[1].answer = answer
    threads = [threading.Thread(target=_post, args=(poster,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(server.asked) for server in servers] == [1, 1]


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504, 501, BROKEN])
def test_what_one_address_cannot_do_the_next_does_at_once(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster], status: object
) -> None:
    servers[0].answer = _status(status)
    poster = open_poster(sleep=_never)
    assert _post(poster) == "second"
    asked = [server.asked[0] for server in servers]
    assert asked[0].headers["Idempotency-Key"] == asked[1].headers["Idempotency-Key"]
    assert asked[0].body == asked[1].body
    first, second = poster.figures.values()
    assert (first.asked, first.failed, second.asked, second.failed) == (1, 1, 1, 0)


def test_a_dead_address_rests_and_is_asked_again_when_it_is_back(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    back = threading.Event()
    servers[0].answer = _status(503)
    servers[0].models = lambda: listed("small") if back.is_set() else (503, {}, {})
    poster = open_poster(sleep=_never)
    assert [_post(poster) for _ in range(3)] == ["second"] * 3
    assert len(servers[0].asked) == 1, "an address that rests is asked about no frame"
    servers[0].answer = _from("first")
    back.set()
    eventually(lambda: next(iter(poster.figures.values())).state == "up")
    assert _post(poster) == "first"


def test_nobody_listens_at_the_first(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    poster = open_poster(url=f"{_closed_port()},{servers[1].url}", sleep=_never)
    assert _post(poster) == "second"


def test_retry_after_is_respected(servers: tuple[Server, Server], open_poster: Callable[..., Poster]) -> None:
    servers[0].answer = _status(429, Retry_After="3600")
    poster = open_poster(sleep=_never)
    assert _post(poster) == "second"
    eventually(lambda: next(iter(poster.figures.values())).state == "up")  # its probe is answered
    servers[1].answer = _status(503, Retry_After="1800")
    with pytest.raises(LinkError, match=servers[1].url):
        _post(poster)
    with pytest.raises(LinkError, match="left alone"):
        _post(poster)
    assert [len(server.asked) for server in servers] == [1, 2]


def test_what_no_address_does_names_them_all(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    servers[0].answer, servers[1].answer = _status(404), _status(401)
    with pytest.raises(LinkError) as caught:
        _post(open_poster(sleep=_never))
    assert all(server.url in str(caught.value) for server in servers)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_request_that_is_wrong_is_wrong_everywhere(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster], status: int
) -> None:
    servers[0].answer = _status(status)
    poster = open_poster()
    with pytest.raises(AnswerError):
        _post(poster)
    assert servers[1].asked == []
    assert next(iter(poster.figures.values())).failed == 0


def test_a_hedge_is_answered_once_and_the_slow_request_is_cancelled(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    late = threading.Event()

    def slow(_: Asked) -> Answer:
        late.wait(60)
        return 200, {}, {"from": "first"}

    servers[0].answer = slow
    poster = open_poster(hedge_after_s=0.02)
    assert _post(poster) == "second"
    late.set()
    first, second = poster.figures.values()
    assert (first.asked, first.failed, first.hedged) == (1, 0, 0)
    assert (second.asked, second.failed, second.hedged) == (1, 0, 1)
    keys = {server.asked[0].headers["Idempotency-Key"] for server in servers}
    assert len(keys) == 1


def test_a_hedge_that_fails_leaves_the_first_its_time(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    failed = threading.Event()

    def slow(_: Asked) -> Answer:
        assert failed.wait(60)
        return 200, {}, {"from": "first"}

    def broken(_: Asked) -> Answer:
        failed.set()
        return BROKEN, {}, {}

    servers[0].answer, servers[1].answer = slow, broken
    assert _post(open_poster(hedge_after_s=0.02)) == "first"


def test_an_address_that_always_loses_rests(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    late = threading.Event()
    servers[0].answer = lambda _: (late.wait(60), (200, {}, {"from": "first"}))[1]
    servers[0].models = lambda: (503, {}, {})
    poster = open_poster(hedge_after_s=0.01)
    assert [_post(poster, n=str(n)) for n in range(5)] == ["second"] * 5
    assert len(servers[0].asked) == 3
    late.set()


def test_other_weights_are_taken_out_alone_and_come_back(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    servers[0].answer, servers[1].answer = _from("first", TRUSTED), _from("second", TRUSTED)
    servers[0].models = lambda: listed("small", OTHER)
    hashes = {server.url: TRUSTED for server in servers}
    poster = open_poster(weights_hash=TRUSTED, hashes=hashes, sleep=_never)
    assert _post(poster) == "first"
    servers[0].answer = _from("first", OTHER)
    assert [_post(poster) for _ in range(3)] == ["second"] * 3
    first, second = poster.figures.values()
    assert (first.state, first.weights, first.asked) == ("other weights", OTHER, 2)
    assert (second.state, second.weights, second.asked) == ("up", TRUSTED, 3)
    servers[0].answer = _from("first", TRUSTED)
    servers[0].models = lambda: listed("small", TRUSTED)
    eventually(lambda: next(iter(poster.figures.values())).state == "up")
    assert _post(poster) == "first"


def test_weights_that_are_known_to_be_others_are_never_asked(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    hashes = {servers[0].url: OTHER, servers[1].url: TRUSTED}
    servers[0].models = lambda: listed("small", OTHER)
    poster = open_poster(weights_hash=TRUSTED, hashes=hashes)
    assert _post(poster) == "second"
    servers[1].answer = _status(BROKEN)
    with pytest.raises(LinkError):
        _post(poster)
    assert servers[0].asked == []


def test_many_threads_get_an_answer_each_while_addresses_come_and_go(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    """Each server breaks every third request; each request is answered once, by its own answer."""

    def shaky(server: Server) -> Callable[[Asked], Answer]:
        def answer(asked: Asked) -> Answer:
            if len(server.asked) % 3 == 0:
                return BROKEN, {}, {}
            return 200, {}, {"from": asked.body["n"]}

        return answer

    for server in servers:
        server.answer = shaky(server)
    poster = open_poster(hedge_after_s=0.005, retries=20, concurrency=8)
    found: list[tuple[int, str]] = []

    def ask(k: int) -> None:
        found.extend((n, _post(poster, n=str(n))) for n in range(k, 80, 8))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [(n, str(n)) for n in range(80)]


def test_closing_ends_what_is_under_way(
    servers: tuple[Server, Server], open_poster: Callable[..., Poster]
) -> None:
    entered, late, failures = threading.Event(), threading.Event(), list[str]()

    def hang(_: Asked) -> Answer:
        entered.set()
        late.wait(60)
        return 200, {}, {}

    servers[0].answer = hang
    poster = open_poster()

    def ask() -> None:
        try:
            _post(poster)
        except LinkError as e:
            failures.append(str(e))

    thread = threading.Thread(target=ask)
    thread.start()
    assert entered.wait(60)
    poster.close()
    thread.join(60)
    late.set()
    assert "closed" in failures[0]


def test_an_address_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        Poster(RemoteConfig(url="http://a/v1,http://a/v1/"))
