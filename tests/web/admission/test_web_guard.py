"""By a request's head alone: who asks, by which name, from which page, and whether readers would agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.web.admission.host_names import HostNames, host_of
from saec.web.admission.unknown_tokens import UnknownTokens
from tests.web.web_fakes import HOST, Served, served, status, tokens_file

CROSS = "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    with served() as site:
        yield site


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LocalHost.:8090", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("[::1]:8090", True),
        ("box", True),
        ("Box.plant.example", True),
        ("10.1.2.3:8090", True),
        ("[fe80::1]", True),
        ("cell.plant.example", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("10.1.2.4", False),
        ("0.0.0.0", False),
        ("", False),
        ("local host", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("[::1", False),
        ("localhost:x", False),
        ("2130706433", False),
    ],
)
def test_names_of_this_machine(monkeypatch: pytest.MonkeyPatch, host: str, known: bool) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box.plant.example")
    hosts = HostNames("0.0.0.0", ["Cell.plant.example"], addresses=lambda: ["10.1.2.3", "fe80::1"])
    assert hosts.known(host) is known


def test_an_address_that_a_machine_is_given_later_is_known_soon_and_strangers_cost_no_looking() -> None:
    own, looks, now = ["10.0.0.1"], [], [0.0]

    def look() -> list[str]:
        looks.append(now[0])
        return own

    hosts = HostNames("0.0.0.0", addresses=look, clock=lambda: now[0])
    assert not any(hosts.known("10.0.0.2") for _ in range(100))
    assert len(looks) == 1
    own.append("10.0.0.2")
    now[0] = 6.0
    assert hosts.known("10.0.0.2")
    assert hosts.known("10.0.0.1")


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_whatever_a_host_header_holds_has_one_meaning_or_none(text: str) -> None:
    host = host_of(text)
    assert host is None or not set(host) & set("/@?#[] \t\r\n")


def test_the_machine_s_own_addresses_are_found() -> None:
    from saec.web.admission.host_names import _own_addresses

    assert "127.0.0.1" in set(_own_addresses())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("Host: evil.example\r\n", 421),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
        ("Host: localhost\r\nOrigin: http://localhost.evil.example\r\n", 403),
        ("Host: localhost:1\r\nOrigin: http://localhost:2\r\n", 403),
        ("Host: localhost:1\r\nOrigin: http://localhost:1\r\n", 200),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        (f"{CROSS}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", 200),
        (f"{CROSS}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
        ("Host: localhost\r\nSec-Fetch-Site: none\r\n", 200),
        ("Host: localhost\r\nRange: bytes=" + ",".join(f"{i}-{i}" for i in range(1000)) + "\r\n", 416),
        ("Host: localhost\r\nRange: bytes=" + ",".join(f"{i}-{i}" for i in range(5000)) + "\r\n", 431),
        ("Host: localhost\r\nRange: bytes=0-1,2-3\r\n", 200),
        ("", 400),
    ],
)  # fmt: skip
def test_who_may_ask_from_where(site: Served, headers: str, expected: int) -> None:
    said = site.say(f"GET /page HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")
    assert status(said) == expected


def test_health_is_told_by_any_name_and_to_who_knows_none(site: Served) -> None:
    for head in ("GET /health HTTP/1.1\r\nHost: balancer", "GET /health HTTP/1.0", "GET /page HTTP/1.0"):
        assert status(site.say(f"{head}\r\nConnection: close\r\n\r\n")) == 200
    assert status(site.say("GET /ready HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n")) == 421


@pytest.mark.parametrize(
    "rest",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "Content-Length: +4\r\n\r\nabcd",
        "Content-Length: 4 4\r\n\r\nabcd",
        "Content-Length: " + "9" * 5000 + "\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "X: " + "a" * 70_000 + "\r\n\r\n",
        "".join(f"X-{i}: 1\r\n" for i in range(5000)) + "\r\n",
        "X: a\0b\r\n\r\n",
        "no colon\r\n\r\n",
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(site: Served, rest: str) -> None:
    said = site.say(f"POST / HTTP/1.1\r\n{HOST}{rest}")
    assert status(said) in (400, 413, 431)
    assert said.count(b"HTTP/1.1 ") == 1  # nothing behind it is taken for a request


def test_an_address_without_end_is_refused(site: Served) -> None:
    assert status(site.get("/" + "a" * 10_000)) == 414
    assert status(site.get("/?" + "a" * 10_000)) == 414


def test_every_answer_says_how_it_may_be_shown(site: Served) -> None:
    for said in (
        site.get("/"),
        site.say("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
    ):
        head = said.partition(b"\r\n\r\n")[0].lower()
        for line in (
            b"x-content-type-options: nosniff",
            b"cache-control: no-store",
            b"frame-ancestors 'none'",
            b"referrer-policy: no-referrer",
        ):
            assert line in head
        assert b"access-control" not in head


def test_a_token_is_asked_for_before_anything_else_of_the_application(tmp_path: Path) -> None:
    with served(tokens_file(tmp_path, "robot")) as site:
        for path in ("/", "/nothing", "/metrics", "/docs", "/openapi.json"):
            assert status(site.get(path)) == 401
        assert status(site.get("/health")) == 200
        good = "Authorization: Bearer robot"
        assert status(site.get("/", good)) == 200
        assert status(site.get("/", good, "Authorization: Bearer x")) == 401  # which of two is heeded?
        assert status(site.get("/", "Authorization: Basic Og==")) == 401


def test_who_guesses_tokens_is_told_to_wait_and_who_is_known_there_is_let_in(tmp_path: Path) -> None:
    with served(tokens_file(tmp_path, "robot", "other"), guesses_per_minute=3) as site:
        assert status(site.get("/", "Authorization: Bearer robot")) == 200
        guesses = [status(site.get("/", f"Authorization: Bearer {i}")) for i in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        assert status(site.get("/", "Authorization: Bearer robot")) == 200
        assert status(site.get("/", "Authorization: Bearer other")) == 429  # it may be a guess
        assert status(site.get("/")) == 401  # asks for none
        assert site.admission.slots.counts["unknown_token"] == 3


def test_guesses_are_forgiven_with_time_and_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], []
    unknown_tokens = UnknownTokens(6, clock=lambda: now[0])
    monkeypatch.setattr(
        "saec.web.admission.unknown_tokens.log.warning", lambda event, **how: told.append(how)
    )
    for i in range(20):
        if not unknown_tokens.wait("a", str(i)):
            unknown_tokens.unknown("a")
    assert unknown_tokens.wait("a", "x") == pytest.approx(10.0)
    assert unknown_tokens.wait("b", "x") == 0.0
    assert told == [{"address": "a"}]
    now[0] = 10.1
    assert unknown_tokens.wait("a", "x") == 0.0


def test_a_proxy_s_word_for_whom_it_asks_is_believed_where_it_is_named(tmp_path: Path) -> None:
    for proxies, shares in (((), 1), (("127.0.0.1",), 2)):
        with served(tokens_file(tmp_path, "robot"), guesses_per_minute=1, proxies=proxies) as site:
            said = [
                status(site.get("/", "Authorization: Bearer no", f"X-Forwarded-For: 10.0.0.{i}"))
                for i in range(2)
            ]
            assert said.count(401) == shares
