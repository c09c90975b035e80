"""No connection is for ever: each phase of it has an end, whoever is at its other side."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.web.web_fakes import HOST, head_of, served, status, tokens_file, until_closed, wait_until

LONG = f"Content-Type: image/png\r\nContent-Length: 1000000\r\n{HOST}\r\n"
SHORT: dict[str, Any] = {"body_s": 0.1, "linger_s": 0.1}


@pytest.mark.parametrize("words", [b"", b"POST", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(words: bytes) -> None:
    with served(head_s=0.1) as site:
        assert site.say(words) == b""
        assert site.admission.slots.counts["slow head"] == 1


def test_a_head_that_comes_byte_by_byte_has_no_more_time_than_another() -> None:
    with served(head_s=0.3) as site, site.connect() as raw:
        raw.settimeout(0.02)
        closed = False
        for _ in range(3000):
            try:
                raw.sendall(b"G")
                closed = raw.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
            if closed:
                break
        assert closed


def test_who_has_no_token_and_never_ends_its_body_is_closed(tmp_path: Path) -> None:
    """The first byte after an answer takes uvicorn's own timer off."""
    tokens = tokens_file(tmp_path, "robot")
    with served(tokens, **SHORT) as site:
        held = []
        for _ in range(20):
            raw = site.connect()
            raw.sendall(f"POST /frames HTTP/1.1\r\n{LONG}".encode())
            assert status(head_of(raw)) == 401
            with contextlib.suppress(OSError):  # closed already, where the machine is busy
                raw.sendall(b"x")
            held.append(raw)
        for raw in held:
            until_closed(raw)
            raw.close()
        wait_until(lambda: site.connections == 0)


@pytest.mark.parametrize("path", ["/frames", "/deaf", "/wait"])
def test_a_body_that_does_not_end_is_not_waited_for(path: str) -> None:
    """Whether it is read, never read, or not read yet."""
    with served(**SHORT) as site, site.connect() as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\n{LONG}x".encode())
        answer = until_closed(raw)
        assert status(answer) == {"/frames": 408, "/deaf": 200, "/wait": 0}[path]
        wait_until(lambda: site.connections == 0)


def test_an_answer_that_is_not_fetched_is_not_kept() -> None:
    with served(answer_s=0.2) as site, site.connect() as raw:
        raw.sendall(f"GET /large HTTP/1.1\r\n{HOST}\r\n".encode())
        head_of(raw)
        wait_until(lambda: site.connections == 0)
        assert site.admission.slots.counts["slow answer"] == 1


def test_an_answer_of_a_connection_that_closes_is_not_kept_either() -> None:
    with served(answer_s=0.2) as site, site.connect() as raw:
        raw.sendall(f"GET /large HTTP/1.1\r\nConnection: close\r\n{HOST}\r\n".encode())
        head_of(raw)
        wait_until(lambda: site.connections == 0)


def test_a_large_answer_that_is_fetched_is_whole_and_the_connection_lives_on() -> None:
    with served() as site, site.connect() as raw:
        for _ in range(2):
            raw.sendall(f"GET /large HTTP/1.1\r\n{HOST}\r\n".encode())
            head = head_of(raw)
            left = (64 << 20) - len(head.partition(b"\r\n\r\n")[2])
            while left:
                left -= len(raw.recv(min(left, 1 << 20)))


def test_a_connection_without_a_request_is_closed_after_its_pause() -> None:
    with served(idle_s=1.0, head_s=60.0) as site, site.connect() as raw:
        raw.sendall(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode())
        assert b"fine" in until_closed(raw)


def test_an_answer_that_takes_long_to_make_is_waited_for() -> None:
    with served(**SHORT, answer_s=0.1) as site, site.connect() as raw:
        raw.sendall(f"GET /wait HTTP/1.1\r\n{HOST}\r\n".encode())
        assert site.app.entered.acquire(timeout=60)
        raw.settimeout(0.5)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(60)
        site.app.release.set()
        assert status(head_of(raw)) == 200


def test_a_refusal_is_heard_by_who_is_still_sending(tmp_path: Path) -> None:
    """A connection that is closed upon unread bytes would take the answer with it."""
    with served(tokens_file(tmp_path, "robot")) as site, site.connect() as raw:
        close = "Connection: close\r\n"
        raw.sendall(f"POST /frames HTTP/1.1\r\n{close}{LONG}".encode())
        raw.sendall(bytes(1_000_000))
        assert status(until_closed(raw)) == 401


def test_requests_that_come_together_are_answered_in_turn() -> None:
    with served() as site:
        one = f"GET / HTTP/1.1\r\n{HOST}\r\n"
        answer = site.say(one + one + one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
        assert answer.count(b"HTTP/1.1 200") == 3


def test_two_bodies_on_one_connection_are_both_read() -> None:
    with served() as site:
        one = f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc"
        last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        assert site.say(one + last).count(b'{"bytes":3') == 2
