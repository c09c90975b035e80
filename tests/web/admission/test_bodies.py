"""A body is read within bounds and charged before it is read, or refused with a status that says why."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from saec.web.admission.request_bodies import RequestBodies
from saec.web.http_settings import HttpSettings

PIECE: Message = {"type": "http.request", "body": b"abc", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"d", "more_body": False}
GONE: Message = {"type": "http.disconnect"}
MB = 1 << 20


def request(*messages: Message, length: str = "", share: str = "a") -> Request:
    """A request whose server gives these messages; after the last of them nothing comes."""
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0) if waiting else await asyncio.Future()

    headers = [(b"content-length", length.encode())] if length else []
    scope: dict[str, Any] = {"type": "http", "method": "POST", "headers": headers, "state": {"share": share}}
    return Request(scope, receive)


def read(*messages: Message, largest: int = 100, length: str = "") -> bytes:
    async def whole() -> bytes:
        bodies = RequestBodies(HttpSettings(body_s=0.05))
        try:
            async with bodies.read(request(*messages, length=length), largest) as data:
                assert bodies.held >= len(data)
                return data
        finally:
            assert bodies.held == 0

    return asyncio.run(whole())


def test_a_body_in_pieces_is_put_together() -> None:
    assert read(PIECE, PIECE, LAST) == b"abcabcd"
    assert read(PIECE, LAST, length="4") == b"abcd"


@pytest.mark.parametrize(
    ("messages", "length", "status"),
    [
        ([PIECE, GONE], "", 400),
        ([GONE], "9", 400),
        ([PIECE], "", 408),
        ([PIECE] * 40, "", 413),
        ([], "101", 413),
        ([], "9" * 5000, 413),
    ],
)
def test_what_is_no_whole_body_in_time_is_refused(messages: list[Message], length: str, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        read(*messages, length=length)
    assert refused.value.status_code == status


async def status(bodies: RequestBodies, share: str, megabytes: int) -> int:
    """What becomes of a body that is there at once."""
    message = {"type": "http.request", "body": bytes(megabytes * MB), "more_body": False}
    try:
        async with bodies.read(request(message, length=str(megabytes * MB), share=share), 64 * MB):
            return 200
    except HTTPException as e:
        return e.status_code if e.headers == {"Retry-After": "1"} else 0


def test_a_body_is_charged_before_a_byte_of_it_is_there_and_nobody_takes_all() -> None:
    words: list[str] = []

    async def run() -> list[int]:
        bodies = RequestBodies(HttpSettings(bodies_mb=10, bodies_share=0.5, body_s=60), words.append)
        slow = [asyncio.create_task(hold(bodies, request(length=str(4 * MB), share=s))) for s in "ab"]
        await asyncio.sleep(0)
        assert bodies.held == 8 * MB
        asked = [("a", 1), ("a", 2), ("b", 2), ("c", 3), ("c", 2)]
        found = [await status(bodies, share, megabytes) for share, megabytes in asked]
        for task in slow:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert bodies.held == 0
        return [*found, await status(bodies, "c", 3)]

    assert asyncio.run(run()) == [200, 429, 429, 503, 200, 200]
    assert words == ["bytes"] * 3


def test_a_body_without_a_length_is_charged_as_it_comes() -> None:
    async def run() -> int:
        bodies = RequestBodies(HttpSettings(bodies_mb=4, bodies_share=0.5, body_s=60))
        piece: Message = {"type": "http.request", "body": bytes(MB), "more_body": True}
        with pytest.raises(HTTPException) as refused:
            async with bodies.read(request(*[piece] * 3, LAST), 64 * MB):
                pass
        assert bodies.held == 0
        return refused.value.status_code

    assert asyncio.run(run()) == 429


async def hold(bodies: RequestBodies, asked: Request) -> None:
    async with bodies.read(asked, 64 * MB):
        await asyncio.Future()
