"""The remote engine's link: retries, waits, time-outs, tokens; no test waits."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.cloud.remote.http_client import Poster
from saec.errors import AnswerError, ConfigError, LinkError
from saec.settings import RemoteConfig
from tests.cloud.model_server import BROKEN, Asked, Server, serving

GOOD: tuple[int, dict[str, str], Any] = (200, {}, {"ok": True})


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        state.answer = lambda _: GOOD
        yield state


class Waits(list[Any]):
    """Stands for sleeping; remembers how long each wait would have been."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def _poster(server: Server, **settings: Any) -> tuple[Poster, Waits]:
    waits = Waits()
    return Poster(RemoteConfig(url=server.url, **settings), sleep=waits), waits


def _in_turn(server: Server, *answers: tuple[int | object, dict[str, str], dict[str, bool]]) -> None:
    left = iter(answers)
    server.answer = lambda _: next(left)


def _post(poster: Poster, **body: str) -> dict[str, bool] | None:
    return poster.post("chat/completions", body)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, BROKEN])
def test_what_may_pass_is_tried_again(server: Server, status: int | object) -> None:
    _in_turn(server, (status, {}, {}), (status, {}, {}), GOOD)
    poster, waits = _poster(server, retries=2)
    assert _post(poster) == {"ok": True}
    assert len(waits) == 2
    assert 0 < waits[0] < 1
    assert waits[0] < waits[1]


@pytest.mark.parametrize("status", [503, BROKEN])
def test_what_does_not_pass_is_the_links_failure(server: Server, status: int | object) -> None:
    server.answer = lambda _: (status, {}, {"error": {"message": "warming up"}})
    poster, _ = _poster(server, retries=3)
    with pytest.raises(LinkError, match=server.url):
        _post(poster)
    assert len(server.asked) == 4


def test_a_repeated_request_is_the_same_request(server: Server) -> None:
    _in_turn(server, (500, {}, {}), GOOD, GOOD)
    poster, _ = _poster(server)
    _post(poster, model="m")
    _post(poster, model="n")
    first, again, other = server.asked
    assert first.body == again.body
    key = "Idempotency-Key"
    assert first.headers[key] == again.headers[key] != other.headers[key]
    assert first.path == "/v1/chat/completions"


def test_the_wait_is_at_least_what_the_server_asks_for(server: Server) -> None:
    _in_turn(server, (429, {"Retry-After": "3"}, {}), GOOD)
    poster, waits = _poster(server)
    _post(poster)
    assert waits == [3.0]


@pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "nan", "soon"])
def test_a_wish_that_is_no_number_is_left_to_the_back_off(server: Server, asked: str) -> None:
    _in_turn(server, (429, {"Retry-After": asked}, {}), GOOD)
    poster, waits = _poster(server)
    _post(poster)
    assert len(waits) == 1
    assert 0 < waits[0] < 1


@pytest.mark.parametrize("asked", ["60", "inf"])
def test_a_wait_beyond_the_time_out_is_not_begun(server: Server, asked: str) -> None:
    server.answer = lambda _: (503, {"Retry-After": asked}, {"message": "down for repair"})
    poster, waits = _poster(server, timeout_s=20.0, retries=5)
    with pytest.raises(LinkError, match="503"):
        _post(poster)
    assert waits == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, LinkError, "refuses the token"),
        (403, LinkError, "refuses the token"),
        (404, LinkError, "the model x does not exist"),
        (405, LinkError, "does not know"),
        (307, LinkError, "does not know"),
        (501, LinkError, "does not know"),
        (400, AnswerError, "refused the request"),
        (413, AnswerError, "refused the request"),
        (415, AnswerError, "refused the request"),
        (422, AnswerError, "refused the request"),
    ],
)
def test_what_will_not_pass_is_asked_once(
    server: Server, status: int, error: type[AnswerError] | type[LinkError], words: str
) -> None:
    server.answer = lambda _: (status, {}, {"error": {"message": "the model x does not exist"}})
    poster, waits = _poster(server)
    with pytest.raises(error, match=words) as caught:
        _post(poster)
    assert "the model x does not exist" in str(caught.value)
    assert waits == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[1]", b'"no"', b"null", {"error": "no"}, {"error": {"code": 7}}, b"\xff"]
)
def test_any_form_of_refusal_is_reported(
    server: Server, content: bytes | dict[str, dict[str, int] | str]
) -> None:
    server.answer = lambda _: (422, {}, content)
    poster, _ = _poster(server)
    with pytest.raises(AnswerError, match="422"):
        _post(poster)


def test_the_token_goes_with_every_request_and_into_no_message(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    poster, _ = _poster(server, token_file=str(file))
    _post(poster)
    assert server.asked[0].headers["Authorization"] == "Bearer s3cret"
    server.answer = lambda _: (401, {}, {})
    with pytest.raises(LinkError) as caught:
        _post(poster)
    assert "s3cret" not in str(caught.value)


def test_without_a_token_file_no_token_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    _post(_poster(server)[0])
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize("content", ["", " \n", "two words", "schlüssel", "a\nb"])
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match="token"):
        Poster(RemoteConfig(url="http://a/v1", token_file=str(file)))


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Poster(RemoteConfig(url="http://a/v1", token_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="no certificates"):
        Poster(RemoteConfig(url="http://a/v1", ca_file=str(tmp_path / "none")))


@pytest.mark.parametrize(
    "url", ["", "gpu:8000/v1", "ftp://gpu/v1", "http://", "/v1", "http://a:b/v1", "httpsx://gpu/v1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not an address"):
        Poster(RemoteConfig(url=url))


def test_an_address_with_a_password_is_refused_without_saying_it() -> None:
    with pytest.raises(ConfigError) as caught:
        Poster(RemoteConfig(url="https://me:hidden@gpu/v1"))
    assert "hidden" not in str(caught.value)


def test_an_address_may_end_with_a_stroke(server: Server) -> None:
    server.url += "/"
    _post(_poster(server)[0])
    assert server.asked[0].path == "/v1/chat/completions"


def test_nobody_there_is_the_links_failure() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}/v1"
        waits = Waits()
        with pytest.raises(LinkError, match=url):
            Poster(RemoteConfig(url=url), sleep=waits).post("models", {})
    assert len(waits) == 2


def test_a_server_that_says_nothing_is_late(server: Server) -> None:
    """The server answers when the client has given up."""
    given_up = threading.Event()

    def answer(_: Asked) -> tuple[int, dict[Any, Any], dict[str, bool]]:
        given_up.wait(60)
        return GOOD

    server.answer = answer
    poster, waits = _poster(server, timeout_s=0.05)
    with pytest.raises(LinkError, match=r"within 0\.05 s"):
        _post(poster)
    given_up.set()
    assert waits == []


def test_an_answer_that_comes_too_slowly_is_late(server: Server) -> None:
    """Each piece is in time, but the whole is not."""
    server.answer = lambda _: (200, {}, b'{"ok": true}')
    clock = itertools.chain([0.0, 1.0, 1.0], itertools.repeat(30.0))
    poster = Poster(RemoteConfig(url=server.url, timeout_s=20.0), clock=lambda: next(clock))
    with pytest.raises(LinkError, match="within 20 s"):
        _post(poster)


def test_a_closed_poster_says_so(server: Server) -> None:
    poster, _ = _poster(server)
    poster.close()
    with pytest.raises(LinkError, match="closed"):
        _post(poster)
